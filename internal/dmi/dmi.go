// Package dmi reads the memory modules that the firmware describes: the Memory
// Device structures (type 17) of the SMBIOS table, DSP0134 7.18.
//
// The kernel shows the table as the firmware wrote it (drivers/firmware/dmi_scan.c,
// since 4.2, root only):
//
//	/sys/firmware/dmi/tables/smbios_entry_point
//	/sys/firmware/dmi/tables/DMI
//
// Nothing checks it on the way, and firmware gets it wrong: structures that lie about
// their length, missing strings, tables that end early. u-root's smbios decodes entry
// point, strings and fields. The walk from structure to structure is this package's,
// because u-root's goes on after the end-of-table structure and gives up every module
// for one bad structure.
//
// Checked with SMBIOS 2.8 and 3.x tables against dmidecode 3.4.
package dmi

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/eptop/eptop/internal/kernfile"
	"github.com/eptop/eptop/internal/maybe"
)

// ErrMalformed is wrapped by every error about the table's content. An error without
// it means that a table could not be read.
var ErrMalformed = errors.New("malformed")

// The reasons for having no modules; both are fs.ErrNotExist.
var (
	ErrNoTable   error = absent("the kernel shows no SMBIOS table")
	ErrNoModules error = absent("the SMBIOS table names no memory modules, as in some virtual machines")
)

// absent is an fs.ErrNotExist that says in words what does not exist.
type absent string

func (a absent) Error() string        { return string(a) }
func (a absent) Is(target error) bool { return target == fs.ErrNotExist }

// Module is one slot for a memory module, whether or not it holds one. Strings are as
// the firmware wrote them, empty where it wrote none.
type Module struct {
	Locator string // <Locator>: the label printed at the slot, "DIMM_A1"
	Bank    string // <Bank Locator>: "P0 CHANNEL A"

	// Empty: the firmware says that nothing is in the slot.
	Empty bool
	// SizeBytes is absent where the slot is empty or the firmware does not know.
	SizeBytes maybe.Of[uint64]

	Type       string // "DDR5"; empty where the firmware says unknown
	FormFactor string // "DIMM"; empty where the firmware says unknown

	// SpeedMTs is what the module can do and ConfiguredMTs what it runs at, in
	// million transfers a second; absent where the firmware does not know.
	SpeedMTs, ConfiguredMTs maybe.Of[uint32]

	Manufacturer, PartNumber string
}

// FS reads the table below a sysfs.
type FS struct {
	tables string
	open   func(path string) ([]byte, error) // kernfile.ReadFile, except in tests
}

// NewFS returns a reader for a mount point of sysfs, or for a captured tree. It opens
// nothing before the first read.
func NewFS(sysRoot string) *FS {
	return &FS{tables: filepath.Join(sysRoot, "firmware/dmi/tables"), open: kernfile.ReadFile}
}

// maxTable is more than any firmware writes: a server with 128 slots has some 30 KB.
const maxTable = 4 << 20

// Modules reads all memory modules and empty slots, in the table's order. The error is
// ErrNoTable where the kernel shows no table, ErrNoModules where the table describes
// no module, and fs.ErrPermission without root. From a table that is cut or lies it
// returns the modules that could be read, together with an error that wraps
// ErrMalformed.
//
// The table does not change while the kernel runs.
func (f *FS) Modules() ([]Module, error) {
	entry, err := f.read("smbios_entry_point")
	if err != nil {
		return nil, err
	}
	table, err := f.read("DMI")
	if err != nil {
		return nil, err
	}
	modules, err := Parse(entry, table)
	if err == nil && len(modules) == 0 {
		err = ErrNoModules
	}
	return modules, err
}

// read returns the whole content of one of the two files.
func (f *FS) read(name string) ([]byte, error) {
	b, err := f.open(filepath.Join(f.tables, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoTable
	}
	if err == nil && len(b) > maxTable {
		err = fmt.Errorf("%s is larger than %d bytes: %w", name, maxTable, ErrMalformed)
	}
	return b, err
}
