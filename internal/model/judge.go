package model

import (
	"cmp"
	"slices"

	"github.com/eptop/eptop/internal/maybe"
)

// judge fills in what follows from the numbers of the Snapshot alone: levels of
// limits, states of queues, sentences about nodes.
func (s *Snapshot) judge() {
	for i := range s.Walls {
		s.Walls[i].Level = levelOf(s.Walls[i].Share())
	}
	for i := range s.Epoll.Users {
		s.Epoll.Users[i].Level = levelOf(s.Epoll.Users[i].WatchShare())
	}
	for i := range s.Processes {
		s.Processes[i].NofileLevel = levelOf(s.Processes[i].NofileShare())
	}
	if k := s.Sockets; k != nil {
		k.TCPMemState = tcpMemState(k.TCP.MemBytes, k.TCPMem)
		for i := range k.ByPort {
			k.ByPort[i].judgeQueues()
		}
	}
	s.NodeNotes = nodeNotes(s)
}

// judgeQueues judges each accept queue for itself and puts the fullest first: a
// connection that the kernel gives to a full one is lost whatever room others have.
func (g *SocketGroup) judgeQueues() {
	if len(g.Queues) == 0 {
		g.QueueState = QueueStateOf(g.Waiting, g.Backlog)
		return
	}
	for i := range g.Queues {
		g.Queues[i].State = QueueStateOf(g.Queues[i].Waiting, g.Queues[i].Backlog)
	}
	slices.SortStableFunc(g.Queues, func(a, b AcceptQueue) int { return b.Compare(&a) })
	g.QueueState = g.Queues[0].State
}

// Compare orders accept queues by how full they are.
func (q *AcceptQueue) Compare(o *AcceptQueue) int {
	share := func(q *AcceptQueue) float64 {
		if !q.Waiting.Known || !q.Backlog.Known {
			return -1
		}
		return float64(q.Waiting.Value) / float64(q.Backlog.Value+1)
	}
	return cmp.Or(cmp.Compare(share(q), share(o)), maybe.Compare(q.Waiting, o.Waiting))
}

// Fullest is the fullest accept queue of a listener, and how many of its queues are as
// full in a word; the sum where no queue is known for itself.
func (g *SocketGroup) Fullest() (q AcceptQueue, alike int) {
	if len(g.Queues) == 0 {
		return AcceptQueue{Waiting: g.Waiting, Backlog: g.Backlog, State: g.QueueState}, 1
	}
	for i := range g.Queues {
		if g.Queues[i].State == g.Queues[0].State {
			alike++
		}
	}
	return g.Queues[0], alike
}
