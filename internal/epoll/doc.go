// Package epoll has the nouns of epoll that every other package uses: a watch and its
// mask, what kind of file it watches, whether the descriptor still is that file, and
// who holds an instance. The package reads nothing.
package epoll
