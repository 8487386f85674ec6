package btf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/object"
)

// live loads the running kernel's sizes.
func live(t testing.TB) Sizes {
	t.Helper()
	s, _, err := Load("/sys")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no /sys/kernel/btf/vmlinux: run it on a kernel with CONFIG_DEBUG_INFO_BTF")
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// tree makes a sysfs with only this as its type information.
func tree(t testing.TB, raw []byte) string {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "kernel", "btf")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "vmlinux"), raw, 0o644); err != nil {
		t.Fatal(err)
	}
	return root
}

// structType is a struct without members.
type structType struct {
	name string
	size uint32
}

// encode makes type information of these structs, as include/uapi/linux/btf.h
// lays it out.
func encode(structs ...structType) []byte {
	const (
		magic      = 0xeb9f
		headerLen  = 24
		kindStruct = 4
	)
	var types, strings bytes.Buffer
	strings.WriteByte(0)
	for _, s := range structs {
		put(&types, uint32(strings.Len()), uint32(kindStruct<<24), s.size)
		strings.WriteString(s.name + "\x00")
	}
	var out bytes.Buffer
	put(&out, uint16(magic), uint8(1), uint8(0), uint32(headerLen),
		uint32(0), uint32(types.Len()), uint32(types.Len()), uint32(strings.Len()))
	out.Write(types.Bytes())
	out.Write(strings.Bytes())
	return out.Bytes()
}

func put(b *bytes.Buffer, values ...any) {
	for _, v := range values {
		// Writing a number of fixed size to a buffer cannot fail.
		_ = binary.Write(b, binary.NativeEndian, v)
	}
}

func TestLoad(t *testing.T) {
	raw := encode(
		structType{"epitem", 120}, structType{"tcp_sock", 2304}, structType{"not_asked_for", 1},
		structType{"file", 184}, structType{"file", 184}, // one struct, described twice
		structType{"inode", 600}, structType{"inode", 616}, // which one is not known
	)
	got, _, err := Load(tree(t, raw))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Sizes{object.Epitem.Struct: 120, object.TCP.Struct: 2304, object.File.Struct: 184}, got); diff != "" {
		t.Errorf("sizes (-want +got):\n%s", diff)
	}
	if size, ok := got[object.Epitem.Struct]; !ok || size != 120 {
		t.Errorf("epitem has %d bytes (%v)", size, ok)
	}
	if size, ok := got[object.BindAddress.Struct]; ok {
		t.Errorf("a struct the kernel does not have has %d bytes", size)
	}
}

func TestLoadAbsent(t *testing.T) {
	if _, _, err := Load(t.TempDir()); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrMalformed) {
		t.Errorf("no file: %v", err)
	}
}

func TestLoadMalformed(t *testing.T) {
	good := encode(structType{"epitem", 120})
	swapped := bytes.Clone(good)
	swapped[0], swapped[1] = 0, 0
	for name, raw := range map[string][]byte{
		"empty": {}, "text": []byte("this is no BTF"), "no magic": swapped,
		"cut": good[:len(good)-1], "header only": good[:24], "cut header": good[:10],
	} {
		if _, _, err := Load(tree(t, raw)); !errors.Is(err, ErrMalformed) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A directory in the file's place, and a file as large as no kernel's.
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "kernel", "btf", "vmlinux"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(root); !errors.Is(err, ErrMalformed) {
		t.Errorf("a directory: %v", err)
	}
	root = tree(t, good)
	if err := os.Truncate(filepath.Join(root, "kernel", "btf", "vmlinux"), maxFileBytes+1); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(root); !errors.Is(err, ErrMalformed) {
		t.Errorf("a huge file: %v", err)
	}
}

// TestLoadCutAnywhere cuts the file at each byte and expects an error and no panic.
func TestLoadCutAnywhere(t *testing.T) {
	raw := encode(structType{"epitem", 120}, structType{"file", 184})
	for i := range raw {
		if s, _, err := Load(tree(t, raw[:i])); !errors.Is(err, ErrMalformed) {
			t.Errorf("cut at %d: %v, %v", i, s, err)
		}
	}
}

// FuzzLoad feeds arbitrary bytes and expects sizes or an error, and no panic.
func FuzzLoad(f *testing.F) {
	f.Add(encode(structType{"epitem", 120}, structType{"file", 184}))
	f.Add([]byte("\x9f\xeb\x01\x00"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, _, err := Load(tree(t, raw))
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("error of another kind: %v", err)
		}
		if err == nil && s == nil {
			t.Error("neither sizes nor an error")
		}
	})
}

// TestLive checks what holds on every kernel that has BTF: every struct is there
// except those that came later or may be in a module, and each is smaller than what it
// is part of.
func TestLive(t *testing.T) {
	s := live(t)
	for _, name := range object.Structs() {
		size, ok := s[name]
		if !ok && name != object.EpitemsHead.Struct && name != object.BindAddress.Struct && name != object.UNIX.Struct && name != object.TCPv6.Struct && name != object.UDPv6.Struct {
			t.Errorf("no struct %s", name)
		}
		if ok && (size == 0 || size%4 != 0) {
			t.Errorf("struct %s has %d bytes", name, size)
		}
	}
	for _, within := range [][2]string{{object.TCP.Struct, object.TCPv6.Struct}, {object.UDP.Struct, object.UDPv6.Struct}, {object.Inode.Struct, object.SocketInode.Struct}, {object.Inode.Struct, object.ProcInode.Struct}} {
		part, whole := s[within[0]], s[within[1]]
		if whole != 0 && part >= whole {
			t.Errorf("struct %s (%d bytes) is part of %s (%d bytes)", within[0], part, within[1], whole)
		}
	}
	t.Log(s)
}

// TestLiveIsAsCopied compares both ways to load: mapped and read.
func TestLiveIsAsCopied(t *testing.T) {
	want := live(t)
	raw, err := os.ReadFile("/sys/kernel/btf/vmlinux")
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := Load(tree(t, raw))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a copy of the file has other sizes (-kernel +copy):\n%s", diff)
	}
}

// TestLiveCut cuts the kernel's own file at several places.
func TestLiveCut(t *testing.T) {
	live(t)
	raw, err := os.ReadFile("/sys/kernel/btf/vmlinux")
	if err != nil {
		t.Fatal(err)
	}
	const parts = 8
	for i := range parts {
		cut := len(raw) * i / parts
		if s, _, err := Load(tree(t, raw[:cut])); !errors.Is(err, ErrMalformed) {
			t.Errorf("cut at %d of %d bytes: %v, %v", cut, len(raw), s, err)
		}
	}
}

// TestLiveKeepsNothing loads the kernel's types and expects the heap to be as before.
func TestLiveKeepsNothing(t *testing.T) {
	const atMost = 256 << 10
	live(t) // What the library keeps for good is not counted.
	before := heap()
	s := live(t)
	if grown := int64(heap()) - int64(before); grown > atMost {
		t.Errorf("the heap has %d bytes more for %d sizes", grown, len(s))
	}
	runtime.KeepAlive(s)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC() // The first one only queues what has a cleanup.
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkLoad(b *testing.B) {
	want := live(b)
	raw, err := os.ReadFile("/sys/kernel/btf/vmlinux")
	if err != nil {
		b.Fatal(err)
	}
	for name, root := range map[string]string{"mapped": "/sys", "read": tree(b, raw)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var got Sizes
			for b.Loop() {
				if got, _, err = Load(root); err != nil {
					b.Fatal(err)
				}
			}
			if !cmp.Equal(want, got) {
				b.Fatal(cmp.Diff(want, got))
			}
		})
	}
}
