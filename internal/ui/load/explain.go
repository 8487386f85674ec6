package load

import (
	"strings"

	"github.com/eptop/eptop/internal/model"
)

// explain says what a field or a card of the Load view means.
func explain(item item, f model.Preflight, m *model.Measurement) (title, text string) {
	switch item {
	case itemConnections:
		return "connections", "How many idle connections eptop opens, each a pair with both ends on this machine: a client's socket and a server's. " +
			"Enter types a number (10000, 10k, 1M), + and - go by 1 000, > and < by 10 000, ← and → through round numbers. While they are open the same keys open more or close some.\n\n" +
			"Worker processes of eptop's own hold them, eptop-client and eptop-server in Processes: if one crashes, the screen stays, and a hard RLIMIT_NOFILE does not limit the load, because workers are added as needed. They end with eptop, however it ends."
	case itemFamily:
		return "family", "tcp4: between addresses of 127.0.0.0/8, several of them, because one address has ports for about 28 000 connections. tcp6: over ::1, with several listening ports. unix: stream sockets in the abstract namespace. Nothing leaves this machine."
	case itemWatch:
		return "watch", "How an epoll of the server watches each of its ends: et (EPOLLET), lt (level-triggered), oneshot (EPOLLONESHOT), exclusive (EPOLLEXCLUSIVE, since Linux 4.5), or none: then the connection alone is measured. " +
			"A watch counts against fs.epoll.max_user_watches of the user that eptop runs as."
	case itemRate:
		return "rate", "Connections a second; 0 is as fast as it goes. A slow rate opens them evenly, and then the costs of the stages (socket, connect, accept, epoll_ctl) are not measured separately."
	case itemActive:
		return "active", "The share of the connections that are not idle: the client sends a byte once a second and the server echoes it. They need a watch. Their buffers come and go, so the measured values have wider intervals."
	case itemUnread:
		return "unread", "Bytes that are sent to each server end, which never reads them. They show what receive buffers take in addition to the structures, and how tcp_mem fills up."
	case itemButton:
		return "start and drain", "Start says what it will open and asks for confirmation. Drain closes all connections with a reset, so that no TIME_WAIT holds their ports, ends the workers, and checks whether the memory came back. Quitting drains too."
	case itemForecast:
		return "What it will take", "The kernel memory of that many connections, computed from the sizes of this kernel's objects: two ends, the client's bind buckets, the server's watch, and unread bytes. " +
			"measured, derived or estimated says how well these are known. The workers' own memory is added to that: about 10 MB for each, and a few bytes for each connection."
	case itemWhatIf:
		text := "A server of this machine that holds as many connections, with clients elsewhere: the kernel memory of its ends and watches, which limit it meets first, and the commands that raise all that are too low (y copies them). " +
			"Buffers and the program's own memory come on top."
		return "What a server needs for as many", text
	case itemWalls:
		return "What this machine can hold", "The number of connections at which each limit stops a load. Open files and processes: RLIMIT_NOFILE limits each worker, and the tasks that are left limit the number of workers. Local ports: of each pair of workers. " +
			"Memory: until MemAvailable is a tenth of MemTotal, where eptop stops by itself. ≈ marks an estimate. eptop changes none of them; the commands are for you.\n" + describeWalls(f)
	case itemStages:
		return "Which call allocates it", "Some sockets are made, then connected, then accepted, then watched, with a reading of /proc/slabinfo after each, which shows how much each call allocates. " +
			"socket() makes the client's end; connect() its bind buckets and the server's socket; accept() the server's inode and file; epoll_ctl() the watch."
	case itemParts:
		return "What it is made of", "Each slab cache that a connection is known to be made of: its objects for each connection (whole ones where the counts leave no doubt), what an object takes with its share of the slab's waste, and the product. " +
			"SLUB merges caches of the same size; the call that made an object shows what it is for. others adds up the caches that have no line here." + leftOut(m)
	case itemChart:
		return "Kernel memory over connections", "Dots: readings of /proc/slabinfo, the memory of the caches that a connection is made of, above what they held before. Dotted: the line of the measured cost, drawn up to the number of connections that you asked for. Its slope is what a connection costs."
	}
	return "What a connection costs here", "A connection is a loopback pair: both ends are on this machine, the server's watched. The number is by how much the slab caches grow for each connection while eight cycles of them are opened, ± half of its 95 % interval, which is how far it varies from cycle to cycle. " +
		"What other programs allocate at a steady rate, or with their sockets, is subtracted.\n\n" +
		"one end: what the client's socket() allocates, to compare with the folklore of 3.3 KB (Linux 3.10). expected: the sizes of this kernel's objects added up, without measuring. " +
		"unexplained: other caches that grew with the connections; they are not included in the total. cgroup records: vectors in which the kernel notes which memory cgroup it charges for each object, an estimate, not included either. " +
		"cgroup says: the same, computed from what the kernel charges to eptop's cgroup, which leaves out slab waste.\n\n" +
		"Not counted: buffers of active connections, the workers' own memory." + leftOut(m)
}

// leftOut names the caches that were not counted.
func leftOut(m *model.Measurement) string {
	if m == nil || len(m.LeavesOut) == 0 {
		return ""
	}
	return "\n\nLeft out: " + strings.Join(m.LeavesOut, "; ") + "."
}
