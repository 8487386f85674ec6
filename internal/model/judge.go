package model

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
			k.ByPort[i].QueueState = QueueStateOf(k.ByPort[i].Waiting, k.ByPort[i].Backlog)
		}
	}
	s.NodeNotes = nodeNotes(s)
}
