// Package epoll has the nouns of epoll that every other package uses: a watch and
// its mask, what its file is, whether the descriptor still is that file, and who
// holds an instance. It reads nothing.
package epoll
