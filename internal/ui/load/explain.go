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
			"Worker processes of eptop's own hold them, eptop-client and eptop-server in Processes: no crash of theirs hurts the screen, and a hard RLIMIT_NOFILE is no limit, for more are added as needed. They end with eptop, however it ends."
	case itemFamily:
		return "family", "tcp4: between addresses of 127.0.0.0/8, several of them, for one address has ports for some 28 000. tcp6: over ::1, with several listening ports. unix: stream sockets in the abstract namespace. Nothing leaves this machine."
	case itemWatch:
		return "watch", "How an epoll of the server watches each of its ends: et (EPOLLET), lt (level-triggered), oneshot (EPOLLONESHOT), exclusive (EPOLLEXCLUSIVE, since Linux 4.5), or none: then what is measured is the connection alone. " +
			"A watch counts against fs.epoll.max_user_watches of the user that eptop runs as."
	case itemRate:
		return "rate", "Connections a second; 0 is as fast as it goes. A slow rate opens them evenly, and then the stages (socket, connect, accept, epoll_ctl) are not told apart."
	case itemActive:
		return "active", "The share of the connections that are not idle: the client sends a byte once a second and the server echoes it. They need a watch. Their buffers come and go, so what is measured gets wider intervals."
	case itemUnread:
		return "unread", "Bytes that are sent to each server end, which never reads them: to see what receive buffers take beside the structures, and tcp_mem fill."
	case itemButton:
		return "start and drain", "Start asks once and says what it opens. Drain closes all connections with a reset, so that no TIME_WAIT holds their ports, ends the workers, and looks whether the memory came back. Quitting drains too."
	case itemForecast:
		return "What it will take", "The kernel memory of as many connections, by the sizes of this kernel's objects: two ends, the client's bind buckets, the server's watch, and unread bytes. " +
			"measured, derived or estimated says how well these are known. The workers' own memory comes on top: some 10 MB for each, and a few bytes for each connection."
	case itemWalls:
		return "How far this machine goes", "At how many connections each limit ends a load. Files and processes: RLIMIT_NOFILE bounds each worker, and the tasks that are left bound the workers. Local ports: of each pair of workers. " +
			"Memory: MemAvailable down to a tenth of MemTotal, where eptop stops by itself. ≈ marks an estimate. eptop changes none of them; the commands are for you.\n" + describeWalls(f)
	case itemStages:
		return "Which call allocates it", "Some sockets are made, then connected, then accepted, then watched, with a reading of /proc/slabinfo after each: so the growth of each call is told apart. " +
			"socket() makes the client's end; connect() its bind buckets and the server's socket; accept() the server's inode and file; epoll_ctl() the watch."
	case itemParts:
		return "What it is made of", "Each slab cache that a connection is known to be made of: its objects for each connection (a slope), what an object takes with its share of the slab's waste, and the product. " +
			"SLUB merges caches of the same size; which of their objects is whose is told by the call that made them. others is what finds no line here." + leftOut(m)
	case itemChart:
		return "Kernel memory over connections", "Dots: readings of /proc/slabinfo, the memory of the caches that a connection is made of, above what they held before. Dotted: the fitted line, drawn as far as is wanted. Its slope is what a connection costs."
	}
	return "What a connection costs here", "A connection is a loopback pair: both ends are on this machine, the server's watched. The number is the slope of a line through many readings of /proc/slabinfo while connections are opened, ± half of its 95 % interval: " +
		"one difference would be noisy, and what else goes on at whatever rate is another term of the fit.\n\n" +
		"one end: what the client's socket() allocates, to be compared with the folklore of 3.3 KB (Linux 3.10). expected: the sizes of this kernel's objects added up, without measuring. " +
		"unexplained: other caches that grew with the connections; it is beside the total and not in it. cgroup's notes: vectors in which the memory cgroup writes whom it charges for each object, an estimate, beside it too. " +
		"cgroup says: the same slope by the kernel's own charge of eptop's cgroup, which leaves out slab waste.\n\n" +
		"Not counted: buffers of active connections, the workers' own memory." + leftOut(m)
}

// leftOut says which caches were not counted.
func leftOut(m *model.Measurement) string {
	if m == nil || len(m.LeavesOut) == 0 {
		return ""
	}
	return "\n\nLeft out: " + strings.Join(m.LeavesOut, "; ") + "."
}
