package report

import (
	"strings"
	"testing"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

// built is a Snapshot with one number for each floor.
func built() *model.Snapshot {
	part := func(cache string, bytes int64) model.Part {
		return model.Part{Cache: cache, ShownAs: cache, Bytes: bytes}
	}
	s := &model.Snapshot{
		BindBuckets: []model.Part{part("tcp_bind_bucket", 128), part("tcp_bind2_bucket", 128)},
		Slab: []model.Cache{{Name: "TCP", SlotBytes: 2304, ObjsPerSlab: 13, PagesPerSlab: 8, Active: 26, Slabs: 2, Bytes: 65536,
			Nodes: []model.NodeObjects{{Node: 1, Objects: 26}}}},
		Zones: []model.Zone{{Node: 0, Name: "Normal", Free: 1000, Min: 10, Low: 20, High: 30, Managed: 2000}, {Node: 0, Name: "Movable"}},
		Nodes: []model.Node{{ID: 0, CPUs: maybe.Some("0-1"), Distances: []int{10, 20}}, {ID: 1, CPUs: maybe.Some("")}},
	}
	s.Host.PageBytes = maybe.Some(int64(4096))
	s.ConnectionCost.TCP4 = maybe.Some(model.Cost{Bytes: 3578, Origin: "measured", Parts: []model.Part{part("TCP", 2521), part("sock_inode_cache", 862), part("filp", 195)}})
	s.Epoll.Cost = maybe.Some(model.WatchCost{Bytes: 208, Parts: []model.Part{part("eventpoll_epi", 128), part("eventpoll_pwq", 80)}})
	return s
}

func TestAnatomy(t *testing.T) {
	var b strings.Builder
	if err := AnatomyText(&b, built()); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(b.String()), " ")
	for _, want := range []string{
		"3 578 socket() TCP, sock_inode_cache, filp",
		"2 777 connect() TCP, tcp_bind_bucket, tcp_bind2_bucket",
		"1 057 accept() sock_inode_cache, filp",
		"208 epoll_ctl() eventpoll_epi, eventpoll_pwq",
		"7 620 together",
		"2 304 13 3 8 26 2 65.5 kB TCP",
		"26 1 TCP",
		"4.1 MB 41.0 kB 81.9 kB 122.9 kB 8.2 MB 0 Normal",
		"1 none - ",
		"the firmware describes none",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, b.String())
		}
	}
	if strings.Contains(text, "Movable") {
		t.Error("an empty zone is shown")
	}
}

// TestAnatomyOfNothing: what is not known is said, and is no zero.
func TestAnatomyOfNothing(t *testing.T) {
	s := built()
	s.Slab, s.Zones, s.Nodes, s.BindBuckets = nil, nil, nil, nil
	s.Epoll.Cost = maybe.Of[model.WatchCost]{}
	var b strings.Builder
	if err := AnatomyText(&b, s); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"/proc/slabinfo takes root", "not known here", "? "} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("lacks %q:\n%s", want, b.String())
		}
	}
	b.Reset()
	if err := AnatomyText(&b, &model.Snapshot{}); err != nil || !strings.Contains(b.String(), "not known here") {
		t.Errorf("%v: %s", err, b.String())
	}
}
