package model

import "github.com/eptop/eptop/internal/maybe"

// Coverage is how much of the machine a look has covered: what sums over all processes
// leave out. Processes here are those that can hold files: neither kernel threads nor
// zombies, whose files are closed. A thread with a table of files of its own counts as one.
type Coverage struct {
	// Processes are all that the procfs shows. Waiting of them have not been listed
	// yet, Denied may not be listed by this user, Failed could not be listed for
	// another reason.
	Processes int `json:"processes"`
	Waiting   int `json:"processes_not_listed"`
	Denied    int `json:"processes_denied"`
	Failed    int `json:"processes_failed"`
	// Files are the fds that were listed, FilesWaiting those of the processes that wait
	// to be; absent where the kernel does not count fds (before Linux 6.2).
	Files        int64           `json:"files_listed"`
	FilesWaiting maybe.Of[int64] `json:"files_not_listed,omitzero"`
	// FilesBeyond are the fds beyond the limit of one listing (--max-fds) of the Cut
	// processes that have more; absent where the kernel does not count fds.
	Cut         int             `json:"processes_cut"`
	FilesBeyond maybe.Of[int64] `json:"files_beyond_max,omitzero"`
	// FilesChanged are fds that were opened or closed since the fds of their processes
	// were listed, as far as the kernel counts fds.
	FilesChanged int64 `json:"files_changed"`
	// WatchesUnlisted are watches that epolls count and the pass did not list: they came
	// or went meanwhile, or are on a file with too many. 0 where /proc is read.
	WatchesUnlisted int64 `json:"watches_unlisted,omitempty"`
	// EpollsWaiting are epoll fds that were listed and not yet compared with the others,
	// so that nobody knows which instance they are.
	EpollsWaiting int `json:"epolls_not_compared"`
	// ThreadsUnchecked are processes with several threads of which it was not found out
	// whether all share one table of files.
	ThreadsUnchecked int `json:"threads_unchecked"`
	// NoProcess: there is none that holds files, as in a captured tree that was cut. On a
	// living machine eptop sees itself.
	NoProcess bool `json:"no_process,omitempty"`
	// HidePID: the procfs is mounted with hidepid=, which hides other users' processes.
	HidePID bool `json:"hidepid"`
	// PIDNamespace: the procfs is that of a PID namespace below the host's, which shows
	// none of the processes outside.
	PIDNamespace bool `json:"pid_namespace"`
}
