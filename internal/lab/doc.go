// Package lab tries the rules of epoll on the kernel that runs. An experiment says what the
// manual promises, does it in a process of its own, and compares what happened: PASS,
// DIFFERENT, or CANNOT TELL with the reason.
//
// The process is the same binary, started again ([RunIfWorker]). It reports over a socket,
// one line of JSON for each step, and the kernel kills it when whoever started it ends, so
// that nothing is left behind. Timings are reported and decide no verdict by a fixed number.
package lab
