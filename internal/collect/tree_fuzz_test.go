package collect

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/report"
)

// wholeTree is a captured machine that has every file eptop reads of a tree.
func wholeTree(t testing.TB) (root string) {
	t.Helper()
	root = fourNodes(t)
	const header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	files := map[string]string{
		"proc/meminfo": "MemTotal:        4020808 kB\nMemFree:         3303032 kB\nMemAvailable:    3500000 kB\nSReclaimable:     122232 kB\nSUnreclaim:        90000 kB\n",
		"proc/stat":    "cpu  1 2 3 4\nbtime 1764000000\nprocesses 7\n", "proc/version": "Linux version 6.12.1 (x) #1 SMP\n",
		"proc/net/udp":  header,
		"proc/net/unix": "Num       RefCount Protocol Flags    Type St Inode Path\n0000000000000b09: 00000002 00000000 00010000 0001 01   900 /run/x\n0000000000000b0a: 00000003 00000000 00000000 0001 03   901 @y\n",
		"proc/net/protocols": "protocol  size sockets  memory press maxhdr  slab module     cl co di\n" +
			"UNIX-STREAM 1152    2      -1   NI       0   yes  kernel      n  n\nTCP       2304     26       5   no     320   yes  kernel      y  y\n",
		"proc/net/sockstat":                    "sockets: used 40\nTCP: inuse 26 orphan 0 tw 0 alloc 30 mem 91\nUDP: inuse 0 mem 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n",
		"proc/net/sockstat6":                   "TCP6: inuse 3\nUDP6: inuse 0\nRAW6: inuse 0\nFRAG6: inuse 0 memory 0\n",
		"proc/sys/fs/file-nr":                  "992\t0\t9223372036854775807\n",
		"proc/sys/fs/inode-nr":                 "40000\t300\n",
		"proc/sys/fs/dentry-state":             "60000\t40000\t45\t0\t0\t0\n",
		"proc/sys/fs/nr_open":                  "1048576\n",
		"proc/sys/fs/epoll/max_user_watches":   "800000\n",
		"proc/sys/net/ipv4/tcp_mem":            "10000\t20000\t30000\n",
		"proc/sys/net/ipv4/tcp_max_orphans":    "16384\n",
		"proc/sys/kernel/hostname":             "vm\n",
		"proc/sys/kernel/osrelease":            "6.12.1\n",
		"proc/sys/net/core/somaxconn":          "4096\n",
		"proc/4242/limits":                     "Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1024                 4096                 files     \n",
		"proc/4242/cgroup":                     "0::/x\n",
		"proc/4242/fdinfo/3":                   "pos:\t0\nflags:\t02\nmnt_id:\t15\nino:\t1057\ntfd:       10 events:       19 data:               10  pos:0 ino:64 sdev:8\ntfd:       11 events: 8000201f data:     7f3a00000000  pos:0 ino:65 sdev:8\n",
		"proc/4242/fdinfo/4":                   "pos:\t0\nflags:\t02\nmnt_id:\t15\nino:\t1057\n",
		"sys/kernel/slab/:A-0000128/slab_size": "128\n", "sys/kernel/slab/:A-0000128/objs_per_slab": "32\n", "sys/kernel/slab/:A-0000128/order": "0\n",
		"sys/kernel/slab/:A-0000128/object_size": "120\n", "sys/kernel/slab/:A-0000128/reclaim_account": "0\n",
		"sys/kernel/slab/:A-0000128/objects": "64 N0=64\n", "sys/kernel/slab/:A-0000128/slabs": "2 N0=2\n",
	}
	for name, text := range files {
		write(t, root, name, text)
	}
	slabs, err := os.ReadFile(filepath.Join(root, "proc/slabinfo"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, root, "proc/slabinfo", string(slabs)+
		"eventpoll_epi         64     64    128   32    1 : tunables    0    0    0 : slabdata      2      2      0\n"+
		"kmalloc-4194304        2      2 4194304    1 1024 : tunables    0    0    0 : slabdata      2      2      0\n")
	for name, target := range map[string]string{
		"proc/4242/fd/3": "anon_inode:[eventpoll]", "proc/4242/fd/4": "anon_inode:[eventpoll]", "proc/4242/fd/5": "socket:[900]",
		"sys/kernel/slab/eventpoll_epi": ":A-0000128", "sys/kernel/slab/tcp_bind_bucket": ":A-0000128",
	} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// sourceOf says which source is not ok where a file is not one.
var sourceOf = map[string]string{
	"proc/meminfo": "meminfo", "proc/slabinfo": "slabinfo", "proc/zoneinfo": "zoneinfo", "proc/net/sockstat": "sockstat", "proc/net/protocols": "protocols",
	"proc/net/tcp": "sock_diag", "proc/net/unix": "sock_diag", "proc/sys/fs/file-nr": "limits", "proc/sys/fs/epoll/max_user_watches": "limits",
	"proc/sys/net/ipv4/tcp_mem": "sockstat", "proc/4242/stat": "fdinfo", "proc/4242/status": "fdinfo", "proc/net/sockstat6": "sockstat", "proc/4242/fdinfo/3": "fdinfo", "sys/devices/system/node/online": "nodes",
	"sys/devices/system/node/node2/meminfo": "nodes", "sys/firmware/dmi/tables/DMI": "dmi", "sys/kernel/slab/TCP/objs_per_slab": "slab_sysfs",
}

var digits = regexp.MustCompile(`[0-9]+`)

// damages are what may have become of a file's content. at steers it.
var damages = []func(b []byte, at int) []byte{
	func(b []byte, at int) []byte { return b[:at%(len(b)+1)] },
	func(b []byte, at int) []byte { return nil },
	func(b []byte, at int) []byte {
		if len(b) > 0 {
			b[at%len(b)] ^= byte(1 << (at % 8))
		}
		return b
	},
	func(b []byte, at int) []byte { // one number
		found := digits.FindAllIndex(b, -1)
		if len(found) == 0 {
			return b
		}
		numbers := []string{"18446744073709551615", "9223372036854775807", "99999999999999999999999", "-1", "0", "1.5", "NaN", "0x10", "1_000", "+5", "4294967295", "", "2147483648"}
		f := found[at/len(numbers)%len(found)]
		return slices.Concat(b[:f[0]], []byte(numbers[at%len(numbers)]), b[f[1]:])
	},
	func(b []byte, at int) []byte { // every number
		numbers := []string{"18446744073709551615", "9223372036854775807", "0", "-1", "65536", "1"}
		return digits.ReplaceAll(b, []byte(numbers[at%len(numbers)]))
	},
	func(b []byte, at int) []byte { return slices.Concat(b, b) },
	func(b []byte, at int) []byte { // one line again, or without its end
		lines := bytes.SplitAfter(b, []byte{'\n'})
		i := at % len(lines)
		return bytes.Join(slices.Insert(lines, i, lines[(at/7)%len(lines)]), nil)
	},
	func(b []byte, at int) []byte { // one line less
		lines := bytes.SplitAfter(b, []byte{'\n'})
		i := at % len(lines)
		return bytes.Join(slices.Delete(lines, i, i+1), nil)
	},
	func(b []byte, at int) []byte { // text that is not the kernel's
		i := at % (len(b) + 1)
		texts := []string{"\x00\x00", "\x1b[2J", "\u009b31m", "\u202e", "\n\n", "\r", " ", "\xff\xfe", ": ", "N0=7 ", "\ttfd: 1 events: 1 data: 1\n"}
		return slices.Concat(b[:i], []byte(texts[at%len(texts)]), b[i:])
	},
	func(b []byte, at int) []byte { return bytes.ReplaceAll(b, []byte{'\n'}, []byte{' '}) },
	func(b []byte, at int) []byte { return bytes.Repeat([]byte{byte(at)}, 1+at) },
}

// others are what may stand in the place of a file, that is none.
var others = []func(path string) error{
	func(path string) error { return unix.Mkfifo(path, 0o600) },
	func(path string) error { return os.Mkdir(path, 0o700) },
	func(path string) error { return os.Symlink("/dev/zero", path) },
	func(path string) error { return os.Symlink(filepath.Base(path), path) },
	func(path string) error { return os.Symlink("/proc/self/mem", path) },
	func(path string) error { return os.Symlink("/proc/self/status", path) },
}

// FuzzTree damages files and directories of a captured tree and looks at it: nothing waits, nothing panics,
// no number is below 0, nothing is written that a terminal would act upon, and a file that
// is none is said. Each damage is four bytes: which file, how, and two where.
func FuzzTree(f *testing.F) {
	root := wholeTree(f)
	files, whole := filesOf(f, root)
	f.Add([]byte{})
	for i, name := range files {
		f.Add([]byte{byte(i), byte(i % len(damages)), byte(i * 37), byte(i * 3)})
		f.Add([]byte{byte(i), byte(len(damages)), 0, 0}) // a pipe
		for how := range len(others) {
			if sourceOf[name] != "" {
				f.Add([]byte{byte(i), byte(len(damages) + how), 0, 0})
			}
		}
	}
	f.Fuzz(func(t *testing.T, steps []byte) {
		want := map[string]bool{} // sources that are not ok
		var damaged []string
		beside := filepath.Join(t.TempDir(), "beside")
		for len(steps) >= 4 && len(damaged) < 8 {
			name, how, at := files[int(steps[0])%len(files)], int(steps[1])%(len(damages)+len(others)), int(steps[2])<<8|int(steps[3])
			steps = steps[4:]
			path := filepath.Join(root, name)
			within := func(other string) bool {
				return strings.HasPrefix(name+"/", other+"/") || strings.HasPrefix(other+"/", name+"/")
			}
			if slices.ContainsFunc(damaged, within) {
				continue
			}
			damaged = append(damaged, name)
			if whole[name] == nil { // a directory
				if err := os.Rename(path, fmt.Sprint(beside, len(damaged)-1)); err != nil {
					t.Fatal(err)
				}
				if how < len(others) {
					if err := others[how](path); err != nil {
						t.Fatal(err)
					}
				}
				continue
			}
			if how < len(damages) {
				write(t, root, name, string(damages[how](bytes.Clone(whole[name]), at)))
				continue
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := others[how-len(damages)](path); err != nil {
				t.Fatal(err)
			}
			if source := sourceOf[name]; source != "" {
				want[source] = true
			}
		}
		defer func() {
			for i, name := range damaged {
				if err := os.RemoveAll(filepath.Join(root, name)); err != nil {
					t.Fatal(err)
				}
				if whole[name] != nil {
					write(t, root, name, string(whole[name]))
				} else if err := os.Rename(fmt.Sprint(beside, i), filepath.Join(root, name)); err != nil {
					t.Fatal(err)
				}
			}
		}()
		if slices.Contains(damaged, "proc/4242/fd") { // as of a process that ended
			delete(want, "fdinfo")
		}
		lookAt(t, root, want)
	})
}

// filesOf returns the names of all files and directories below a tree, without those that no
// look can do without, and what is in the files; nil for a directory.
func filesOf(t testing.TB, root string) (names []string, whole map[string][]byte) {
	whole = map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(root, path)
		switch {
		case err != nil || name == "." || name == "proc" || name == "proc/4242":
			return err
		case d.IsDir():
			names = append(names, name)
		case d.Type().IsRegular():
			names = append(names, name)
			b, err := os.ReadFile(path)
			whole[name] = append([]byte{}, b...)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names, whole
}

// lookAt looks at a tree and checks what holds whatever is in it.
func lookAt(t *testing.T, root string, bad map[string]bool) {
	hangs := time.AfterFunc(20*time.Second, func() { panic("a look at files waits") })
	defer hangs.Stop()
	c, err := New(Options{ProcRoot: filepath.Join(root, "proc"), SysRoot: filepath.Join(root, "sys"), MaxStall: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sample, err := c.Look(context.Background(), model.Focus{PIDs: []int{4242}, AllCaches: true, Limits: true})
	if err != nil {
		t.Fatal(err)
	}
	s := new(model.Deriver).Derive(sample)
	for _, src := range s.Sources {
		if bad[src.Name] && src.State == model.OK {
			t.Errorf("%s is ok, of a file that is none", src.Name)
		}
		if src.State != model.OK && src.Detail == "" || strings.Contains(src.Detail, "<nil>") {
			t.Errorf("%s is %s: %q", src.Name, src.State, src.Detail)
		}
	}
	var object, text bytes.Buffer
	if err := report.JSON(&object, s, report.Lists{Watches: true, Sockets: true}); err != nil {
		t.Fatal(err)
	}
	if err := report.Text(&text, s, true, report.Lists{Watches: true, Sockets: true}); err != nil {
		t.Fatal(err)
	}
	printable(t, "JSON", strings.TrimSuffix(object.String(), "\n"))
	printable(t, "text", strings.ReplaceAll(text.String(), "\n", ""))
	var all any
	d := json.NewDecoder(bytes.NewReader(object.Bytes()))
	d.UseNumber()
	if err := d.Decode(&all); err != nil {
		t.Fatal(err)
	}
	nothingBelow0(t, "", all)
	var same bytes.Buffer
	if err := report.Text(&same, copyOf(t, s), true, report.Lists{Watches: true, Sockets: true}); err != nil || same.String() != text.String() {
		t.Errorf("the copy of a snapshot is another: %v\n%s\n%s", err, &text, &same)
	}
}

// copyOf returns a snapshot as it comes back from its bytes, which stay the same from then
// on. Text that is not UTF-8 becomes so the first time.
func copyOf(t *testing.T, s *model.Snapshot) *model.Snapshot {
	var written [3][]byte
	for i := range written {
		var err error
		if written[i], err = model.Marshal(s); err != nil {
			t.Fatal(err)
		}
		if s, err = model.Unmarshal(written[i]); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(written[1], written[2]) {
		t.Errorf("the bytes of a copy are others:\n%s\n%s", written[1], written[2])
	}
	return s
}

func printable(t *testing.T, what, text string) {
	t.Helper()
	for i, r := range text {
		if !unicode.IsPrint(r) || r == utf8.RuneError && what == "text" {
			t.Errorf("%s has %U: %q", what, r, text[max(0, i-60):min(len(text), i+20)])
			return
		}
	}
}

func nothingBelow0(t *testing.T, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			nothingBelow0(t, path+"."+key, value)
		}
	case []any:
		for i, value := range v {
			nothingBelow0(t, fmt.Sprintf("%s[%d]", path, i), value)
		}
	case json.Number:
		if n, err := v.Float64(); err != nil || n < 0 {
			t.Errorf("%s is %s", path, v)
		}
	}
}
