// Package vm proves eptop on other kernels and on machines with several NUMA
// nodes: `make test-vm` runs a static eptop inside QEMU guests, with Debian's
// own kernels, and compares its JSON with what numactl, numastat, slabtop, ss and
// dmidecode print there, and with a workload of known size.
//
//   - guest is the first process of a guest. It makes the workload, runs eptop and
//     the tools, and sends back all that they printed.
//   - workload is what eptop must find, opened and counted.
//   - guests_test.go lists the guests; qemu_test.go runs one; compare_*_test.go
//     judge what came back; reference_test.go reads the tools' output.
//
// The guests need the build tag vm, because they want QEMU and take minutes. What
// they sent stays in dist/vm, one directory a guest, with the files that eptop read
// there: `eptop --path.procfs dist/vm/GUEST/proc --path.sysfs dist/vm/GUEST/sys`
// looks at that machine once more.
package vm
