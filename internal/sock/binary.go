package sock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// binaryVersion begins the bytes of a Table.
const binaryVersion = 1

// AppendBinary appends the table: its outcomes, what rows share, and the rows, 20 bytes
// for each socket. The error is always nil.
func (t *Table) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, binaryVersion)
	b = binary.AppendUvarint(b, uint64(len(t.Outcomes)))
	for i := range t.Outcomes {
		b = t.Outcomes[i].appendBinary(b)
	}
	b = binary.AppendUvarint(b, uint64(t.Duplicates))
	b = binary.AppendUvarint(b, uint64(t.traits.items.n))
	for i := range t.traits.items.n {
		b = t.traits.items.at(i).appendBinary(b)
	}
	b = binary.AppendUvarint(b, uint64(t.addrs.items.n))
	for i := range t.addrs.items.n {
		a := t.addrs.items.at(i)
		b = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(b, a.hi), a.lo)
	}
	b = binary.AppendUvarint(b, uint64(len(t.names.ends)))
	for i := range t.names.ends {
		b = appendText(b, t.names.at(uint32(i)))
	}
	b = binary.AppendUvarint(b, uint64(t.rows.n))
	for i := range t.rows.n {
		r := t.rows.at(i)
		for _, n := range [...]uint32{r.ino, r.trait, r.local, r.remote} {
			b = binary.LittleEndian.AppendUint32(b, n)
		}
		b = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(b, r.localPort), r.remotePort)
	}
	return b, nil
}

func (o *Outcome) appendBinary(b []byte) []byte {
	b = append(b, byte(o.Family), byte(o.State), byte(o.Via), flag(o.Torn))
	for _, n := range [...]int{o.Sockets, int(o.Took), o.Tries} {
		b = binary.AppendUvarint(b, uint64(max(0, n)))
	}
	text := ""
	if o.Err != nil {
		text = o.Err.Error()
	}
	return appendText(b, []byte(text))
}

func (t *trait) appendBinary(b []byte) []byte {
	b = append(b, byte(t.kind), byte(t.state), byte(t.body), byte(t.has))
	for _, n := range t.numbers() {
		b = binary.AppendUvarint(b, uint64(*n))
	}
	return binary.AppendVarint(b, int64(t.mem.FwdAlloc))
}

// numbers are the unsigned fields of a trait.
func (t *trait) numbers() [12]*uint32 {
	m := &t.mem
	return [...]*uint32{
		&t.uid, &t.iface, &t.recvQueue, &t.sendQueue, &m.RmemAlloc, &m.RcvBuf, &m.WmemAlloc, &m.SndBuf,
		&m.WmemQueued, &m.OptMem, &m.Backlog, &m.Drops,
	}
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

func appendText(b, text []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// UnmarshalBinary makes the table what AppendBinary wrote. Errors wrap ErrMalformed;
// the table is of no use then. The texts of the outcomes' errors come back, not their
// kinds: State has these.
func (t *Table) UnmarshalBinary(b []byte) error {
	*t = *NewTable()
	d := decoder{b: b}
	if v := d.byte(); v != binaryVersion {
		return fmt.Errorf("%w: sockets: version %d, not %d", ErrMalformed, v, binaryVersion)
	}
	for range d.count(8) {
		t.Outcomes = append(t.Outcomes, d.outcome())
	}
	t.Duplicates = int(d.number(1 << 32))
	for i := range d.count(17) {
		tr := d.trait()
		if t.traits.intern(&tr, hashTrait(&tr)) != uint32(i) {
			d.fail("a trait twice")
		}
		t.counts = append(t.counts, 0)
	}
	for i := range d.count(16) {
		a := addr{binary.LittleEndian.Uint64(d.take(8)), binary.LittleEndian.Uint64(d.take(8))}
		if t.addrs.intern(&a, hashAddr(&a)) != uint32(i) {
			d.fail("an address twice")
		}
	}
	for i := range d.count(1) {
		if t.names.intern(d.text()) != uint32(i) {
			d.fail("a name twice")
		}
	}
	for range d.count(rowBytes) {
		d.row(t)
	}
	if d.err == nil && len(d.b) > 0 {
		d.fail("bytes behind the end")
	}
	if d.err != nil {
		return d.err
	}
	duplicates := t.Duplicates
	t.seal()
	t.Duplicates = duplicates
	return nil
}

// decoder reads what AppendBinary wrote. After an error everything is zero.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: sockets: %s", ErrMalformed, what)
	}
	d.b = nil
}

var zeros [16]byte

// take returns the next n bytes, at most 16 where there are fewer.
func (d *decoder) take(n int) []byte {
	if n > len(d.b) {
		d.fail("cut")
		return zeros[:min(n, len(zeros))]
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}

func (d *decoder) byte() byte { return d.take(1)[0] }

// number reads a number up to most.
func (d *decoder) number(most uint64) uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v > most {
		d.fail("a number that is cut or too large")
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count reads how many items follow, which are at least that many bytes each.
func (d *decoder) count(bytes int) int {
	n := d.number(1 << 40)
	if n > uint64(len(d.b)/bytes) {
		d.fail("more items than bytes")
		return 0
	}
	return int(n)
}

func (d *decoder) text() []byte {
	n := d.number(1 << 40)
	if n > uint64(len(d.b)) {
		d.fail("cut")
		return nil
	}
	return d.take(int(n))
}

func (d *decoder) outcome() Outcome {
	o := Outcome{Family: Family(d.byte()), State: Availability(d.byte()), Via: Source(d.byte()), Torn: d.byte() != 0}
	o.Sockets, o.Took, o.Tries = int(d.number(1<<32)), time.Duration(d.number(1<<62)), int(d.number(1<<32))
	if text := d.text(); len(text) > 0 {
		o.Err = errors.New(string(text))
	}
	return o
}

func (d *decoder) trait() trait {
	t := trait{kind: Kind(d.byte()), state: State(d.byte()), body: Body(d.byte()), has: has(d.byte())}
	if t.kind < TCP4 || t.kind > UnixSeqpacket || t.body > BodyRequest || t.state > stateNewSynRecv {
		d.fail("a socket of no kind")
	}
	for _, n := range t.numbers() {
		*n = uint32(d.number(1<<32 - 1))
	}
	v, n := binary.Varint(d.b)
	if n <= 0 || int64(int32(v)) != v {
		d.fail("a number that is cut or too large")
		return t
	}
	d.b = d.b[n:]
	t.mem.FwdAlloc = int32(v)
	return t
}

// row adds the next row, if everything it refers to is there.
func (d *decoder) row(t *Table) {
	var r row
	for _, n := range [...]*uint32{&r.ino, &r.trait, &r.local, &r.remote} {
		*n = binary.LittleEndian.Uint32(d.take(4))
	}
	r.localPort, r.remotePort = binary.LittleEndian.Uint16(d.take(2)), binary.LittleEndian.Uint16(d.take(2))
	if d.err != nil {
		return
	}
	if int(r.trait) >= t.traits.items.n {
		d.fail("a socket without its trait")
		return
	}
	switch kind := t.traits.items.at(int(r.trait)).kind; {
	case (kind == TCP6 || kind == UDP6) && (int(r.local) >= t.addrs.items.n || int(r.remote) >= t.addrs.items.n):
		d.fail("a socket without its address")
	case kind.IsUnix() && int(r.local) > len(t.names.ends):
		d.fail("a socket without its name")
	default:
		t.counts[r.trait]++
		*t.rows.add() = r
	}
}
