package slab

import (
	"bytes"
	"errors"
	"fmt"
	"math"
)

// ErrMalformed marks text that is not in the format the kernel prints, with
// the line in the message.
var ErrMalformed = errors.New("malformed")

// tableColumns are the numbers between a cache's name and the first colon:
// <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>.
const tableColumns = 5

// knownVersion is the format this parser was written for, unchanged since
// Linux 2.6.10.
const knownVersion = "2.1"

// maxNames bounds the memory of a Parser that sees ever new names.
const maxNames = 1 << 16

// Parser parses /proc/slabinfo again and again without a new string for a name
// it has seen before. The zero value is ready. It is not for concurrent use.
type Parser struct {
	names map[string]string
}

// AppendCaches parses the text of /proc/slabinfo and appends its caches to
// dst, in the kernel's order (youngest first). Columns and sections it does
// not know are skipped. Lines that cannot be read are counted and the first is
// quoted in an error wrapping ErrMalformed; the caches of all other lines are
// returned beside it. A last line without its newline was cut.
//
// It is not procfs.SlabInfo of prometheus/procfs because that takes a line
// with one column more (": globalstat …" of CONFIG_DEBUG_SLAB) as an error and
// drops everything after it, cannot read a name with a space, ignores its
// scanner's error (a line over 64 KiB ends the list in silence), and runs
// three regular expressions a line.
func (p *Parser) AppendCaches(dst []Cache, b []byte) ([]Cache, error) {
	var bad badLines
	var sum totals
	version, columns := "", tableColumns
	first := len(dst)
	for number := 1; len(b) > 0; number++ {
		line, rest, whole := bytes.Cut(b, []byte{'\n'})
		b = rest
		switch {
		case bytes.HasPrefix(line, []byte("slabinfo - version: ")) && number == 1 && whole:
			version = firstField(line[len("slabinfo - version: "):])
			continue
		case bytes.HasPrefix(line, []byte("# name ")) && whole:
			columns = max(headerColumns(line), tableColumns)
			continue
		case !whole:
			bad.add(number, line, "cut before its newline")
			continue
		}
		var c Cache
		name, why := parseCache(line, columns, &c)
		if why == "" {
			why = sum.add(&c)
		}
		if why != "" {
			bad.add(number, line, why)
			continue
		}
		c.Name = p.intern(name)
		dst = append(dst, c)
	}
	switch err := bad.error("slabinfo", version); {
	case err != nil:
		return dst, err
	case len(dst) == first:
		return dst, fmt.Errorf("%w: slabinfo: no line of a cache", ErrMalformed)
	}
	return dst, nil
}

func (p *Parser) intern(name []byte) string {
	if s, ok := p.names[string(name)]; ok {
		return s
	}
	if p.names == nil || len(p.names) >= maxNames {
		p.names = make(map[string]string)
	}
	s := string(name)
	p.names[s] = s
	return s
}

// More objects and more memory than there can be. The last two are of all caches together:
// their bytes fit an int64 whatever the size of a page.
const (
	maxCount  = 1 << 36
	maxObject = 1 << 26 // the SLAB allocator had caches up to kmalloc-33554432
	maxSize   = 1 << 20 // objects in a slab
	maxSlab   = 1 << 14 // pages of a slab
	maxPages  = 1 << 38
	maxBytes  = 1 << 54
)

// parseCache parses one line without its newline. columns is how many numbers
// stand before the first colon. why is empty when it could.
func parseCache(line []byte, columns int, c *Cache) (name []byte, why string) {
	table, sections, found := bytes.Cut(line, []byte(" : "))
	if !found {
		return nil, "no section after the table columns"
	}
	// The name is what remains before the numbers, for it may contain spaces.
	var fields [tableColumns][]byte
	for i := columns - 1; i >= 0; i-- {
		var field []byte
		table, field = cutLastField(table)
		if len(field) == 0 {
			return nil, "a column is missing"
		}
		if i < tableColumns {
			fields[i] = field
		}
	}
	name = bytes.TrimRight(table, " ")
	if len(name) == 0 {
		return nil, "a column is missing"
	}
	if head, last := cutLastField(name); len(bytes.TrimSpace(head)) > 0 && isNumber(last) {
		return nil, "more columns than the header names"
	}
	var small [tableColumns]uint64
	for i, field := range fields {
		limit := uint64(maxSize)
		switch i {
		case 0:
			limit = math.MaxUint64 // active_objs, which a race can take below 0
		case 1:
			limit = maxCount
		case 2:
			limit = maxObject
		case 4:
			limit = maxSlab
		}
		if small[i], why = parseUint(field, limit); why != "" {
			return nil, why
		}
	}
	c.ActiveObjs, c.Objs = small[0], small[1]
	c.ObjectBytes, c.ObjsPerSlab, c.PagesPerSlab = uint32(small[2]), uint32(small[3]), uint32(small[4])
	if why = parseSections(sections, c); why != "" {
		return name, why
	}
	if c.ActiveObjs > c.Objs {
		// The kernel subtracts counts of different moments, in an unsigned long of 64 or 32
		// bits: a little below 0 is none.
		if below := int64(c.ActiveObjs); below > 0 && (below > math.MaxUint32 || int32(below) >= 0) {
			return name, "more active objects than objects"
		}
		c.ActiveObjs = 0
	}
	return name, ""
}

// totals are over all lines.
type totals struct{ pages, bytes uint64 }

func (t *totals) add(c *Cache) (why string) {
	pages, bytes := t.pages+c.Slabs*uint64(c.PagesPerSlab), t.bytes+c.Objs*uint64(c.ObjectBytes)
	if pages > maxPages || bytes > maxBytes {
		return "more memory than there can be"
	}
	t.pages, t.bytes = pages, bytes
	return ""
}

// parseSections parses what follows the first colon: "tunables" is of no use
// here (SLUB prints zeros), "slabdata" counts slabs, others are for debugging.
func parseSections(b []byte, c *Cache) (why string) {
	for len(b) > 0 {
		var section []byte
		section, b, _ = bytes.Cut(b, []byte(" : "))
		key, numbers := cutField(section)
		if string(key) != "slabdata" {
			continue
		}
		active, numbers := cutField(numbers)
		slabs, _ := cutField(numbers)
		if len(slabs) == 0 {
			return "a column is missing after slabdata"
		}
		if c.ActiveSlabs, why = parseUint(active, maxCount); why != "" {
			return why
		}
		c.Slabs, why = parseUint(slabs, maxCount)
		return why
	}
	return "no slabdata section"
}

// headerColumns counts the <columns> that the header names before its first
// colon.
func headerColumns(line []byte) int {
	table, _, _ := bytes.Cut(line, []byte(" : "))
	return bytes.Count(table, []byte{'<'})
}

// badLines remembers the first line that could not be read and counts the
// others.
type badLines struct {
	number, more int
	line         string
	why          string
}

// maxQuote bounds the part of a bad line that an error repeats.
const maxQuote = 240

func (b *badLines) add(number int, line []byte, why string) {
	if b.number != 0 {
		b.more++
		return
	}
	b.number, b.why = number, why
	b.line = string(line[:min(len(line), maxQuote)])
}

func (b *badLines) error(file, version string) error {
	if b.number == 0 {
		return nil
	}
	text := fmt.Sprintf("%s line %d: %s: %q", file, b.number, b.why, b.line)
	if b.more > 0 {
		text += fmt.Sprintf(" and %d more", b.more)
	}
	if version != "" && version != knownVersion {
		text += fmt.Sprintf(" (format version %.40s, known is %s)", version, knownVersion)
	}
	return fmt.Errorf("%w: %s", ErrMalformed, text)
}
