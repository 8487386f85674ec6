//go:build !(386 || amd64 || arm || arm64 || loong64 || mips64le || mipsle || ppc64le || riscv64 || wasm)

package bpf

import (
	"fmt"

	"github.com/cilium/ebpf"
)

// Names of maps and programs, as in the generated file.
const (
	scanMapStates     = "states"
	scanMapCpuOffsets = "cpu_offsets"
	scanProgScan      = "scan"
	scanProgBare      = "bare"
	scanProgCalibrate = "calibrate"
)

// loadScan fails: the object that is checked in is for little-endian machines.
func loadScan() (*ebpf.CollectionSpec, error) {
	return nil, fmt.Errorf("this machine's byte order: %w", ebpf.ErrNotSupported)
}
