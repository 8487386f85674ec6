// Package collect decides what is read when, and puts what was read into one
// model.Sample. It keeps eptop's manners as a guest:
//
//   - Reading an epoll's fdinfo holds the instance's lock (ep->mtx) against its
//     owner. After a read that took d, the next read of that instance waits
//     d/MaxStall, so that the lock is held for no more than that share of time.
//   - Listing the fds of a process makes the kernel create a proc inode and a
//     dentry for each. A process is listed again only when its number of fds
//     has changed, or on a slow sweep, and a costly listing waits in the same way.
//   - A look stops reading when its time is up; what is left is read by the
//     next looks, the oldest first.
//
// How old each number is because of that is in the Sample.
package collect
