//go:build linux && (amd64 || arm64)

package main

// Go's runtime opens /dev/null in place of a standard output that is closed (checkfds() in
// runtime/fds_unix.go), before any code of a program runs. What is printed to nowhere would
// then be a success, and nothing distinguishes that /dev/null from one that the caller
// wanted. So eptop begins in start, which asks first and then jumps to the runtime. The
// Makefile makes it the entry of the program (-E main.start); without that nothing is known
// and standard output counts as open.

// stdoutFlags is what fcntl(1, F_GETFD) returned at the very beginning, or minus an errno.
var stdoutFlags int64

// start is the entry of the program.
func start()
