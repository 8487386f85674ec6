//go:build vm

package vm

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/eptop/eptop/internal/lab"
)

// updateLab writes the table of docs/lab.md, with this machine as its last column.
var updateLab = flag.Bool("update-lab", false, "write the table of docs/lab.md")

const (
	labDoc   = "../../docs/lab.md"
	labBegin = "<!-- table made by test/vm -->\n"
	labEnd   = "<!-- end of the table -->\n"
)

// labRun is what eptop lab --json printed on one kernel.
type labRun struct {
	Schema, Kernel string
	Experiments    []lab.Result
}

// TestLab tries epoll's rules on every kernel.
func TestLab(t *testing.T) {
	if _, err := exec.LookPath(qemu); err != nil {
		t.Skipf("%s is missing: run tools/test-deps vm", qemu)
	}
	series := strings.Fields(os.Getenv("EPTOP_VM_KERNELS"))
	if len(series) == 0 {
		t.Skip("which kernels? run make test-vm, which fetches them")
	}
	dir := t.TempDir()
	guestInit, eptop := filepath.Join(dir, "guest"), filepath.Join(dir, "eptop")
	build(t, "build", guestInit, "./guest")
	build(t, "build", eptop, "../../cmd/eptop")
	b := &base{image: image(t, map[string]string{"init": guestInit, "bin/eptop": eptop})}
	var runs []labRun
	for _, s := range series {
		t.Run(s, func(t *testing.T) {
			k, err := findKernel(s)
			if err != nil {
				t.Skipf("no kernel %s: tools/vm-kernels could not fetch it (%v)", s, err)
			}
			g := &guest{name: "lab", nodes: []node{{2, 4096}}, cmdline: "ONLY=lab"}
			out := outputDir(t, s+"-lab")
			run(t, g, k, b, out)
			all := parseLab(t, readResult(t, out, "lab/all"))
			limit := parseLab(t, readResult(t, out, "lab/limit"))
			for i, r := range all.Experiments {
				if r.Name == limit.Experiments[0].Name {
					all.Experiments[i] = limit.Experiments[0]
				}
			}
			checkLab(t, all)
			runs = append(runs, all)
		})
	}
	if t.Failed() || !*updateLab {
		return
	}
	said, err := exec.Command(eptop, "lab", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	writeLabTable(t, append(runs, parseLab(t, said)))
}

func parseLab(t *testing.T, text []byte) labRun {
	t.Helper()
	var r labRun
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if r.Schema != "eptop.lab/1" || len(r.Experiments) == 0 {
		t.Fatalf("not the results of a lab: %s", text)
	}
	return r
}

// absentThere are the experiments that a kernel cannot tell, and the words that say why.
var absentThere = map[string]string{
	"busy-poll": "came with Linux 6.9",
	"sockmap":   "a sockmap was refused",
	// Debian's cloud kernels have no debugging of SLUB, and show no counts then.
	"call-cost": "/sys/kernel/slab",
}

func checkLab(t *testing.T, run labRun) {
	for _, r := range run.Experiments {
		t.Logf("%s: %-22s %-11s %s", run.Kernel, r.Name, r.Verdict.Words(), r.Evidence)
		switch words, known := absentThere[r.Name]; {
		case r.Verdict == lab.Pass:
		case r.Verdict == lab.CannotTell && known && strings.Contains(r.Evidence, words):
		default:
			t.Errorf("%s, %s: %s: %s", run.Kernel, r.Name, r.Verdict, r.Evidence)
		}
	}
}

// writeLabTable writes a row for each experiment and a column for each kernel, and below it
// every fact that is not the same everywhere.
func writeLabTable(t *testing.T, runs []labRun) {
	var b strings.Builder
	b.WriteString("| experiment |")
	for _, r := range runs {
		fmt.Fprintf(&b, " %s |", r.Kernel)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(runs)) + "\n")
	var differ strings.Builder
	for i, e := range runs[0].Experiments {
		fmt.Fprintf(&b, "| `%s` |", e.Name)
		for _, r := range runs {
			cell := r.Experiments[i].Verdict.Words()
			if r.Experiments[i].Verdict == lab.CannotTell {
				cell += ": " + r.Experiments[i].Evidence
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		b.WriteString("\n")
		for _, f := range e.Facts {
			seen := []string{}
			for _, r := range runs {
				for _, g := range r.Experiments[i].Facts {
					if g.What == f.What {
						seen = append(seen, g.Seen)
					}
				}
			}
			if len(seen) == len(runs) && len(slices.Compact(slices.Clone(seen))) > 1 {
				fmt.Fprintf(&differ, "- `%s`, %s: %s\n", e.Name, f.What, strings.Join(seen, "; "))
			}
		}
	}
	b.WriteString("\nFacts that were not the same on all of them, in the order of the columns:\n\n")
	b.WriteString(differ.String())
	doc, err := os.ReadFile(labDoc)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(doc), labBegin)
	_, tail, ended := strings.Cut(rest, labEnd)
	if !ok || !ended {
		t.Fatalf("%s has no place for the table", labDoc)
	}
	if err := os.WriteFile(labDoc, []byte(head+labBegin+"\n"+b.String()+"\n"+labEnd+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}
