// Package maybe is how eptop writes down that a value could not be had: the one
// type for it, in samples, snapshots and their JSON. Absent is not zero.
package maybe

import (
	"cmp"
	"encoding/json"
)

// Of is a value that may be absent: denied, unsupported or not read yet. The zero
// Of is absent, so a forgotten field never turns into a 0 on screen. With
// `json:",omitzero"` an absent value is left out of the JSON.
type Of[T any] struct {
	Value T // the zero T while Known is false
	Known bool
}

// Some returns a value that is known.
func Some[T any](v T) Of[T] { return Of[T]{Value: v, Known: true} }

// When returns v where it is known, else an absent value.
func When[T any](v T, known bool) Of[T] {
	if !known {
		return Of[T]{}
	}
	return Of[T]{Value: v, Known: true}
}

// Get returns the value and whether it is known.
func (m Of[T]) Get() (T, bool) { return m.Value, m.Known }

// IsZero reports whether the value is absent (encoding/json's omitzero asks).
func (m Of[T]) IsZero() bool { return !m.Known }

// Compare orders what is absent before everything else.
func Compare[T cmp.Ordered](a, b Of[T]) int {
	switch {
	case a.Known && b.Known:
		return cmp.Compare(a.Value, b.Value)
	case a.Known:
		return 1
	case b.Known:
		return -1
	}
	return 0
}

// MarshalJSON writes the value, or null where it is absent.
func (m Of[T]) MarshalJSON() ([]byte, error) {
	if !m.Known {
		return []byte("null"), nil
	}
	return json.Marshal(m.Value)
}

// UnmarshalJSON reads a value; null is absent.
func (m *Of[T]) UnmarshalJSON(b []byte) error {
	*m = Of[T]{}
	if string(b) == "null" {
		return nil
	}
	if err := json.Unmarshal(b, &m.Value); err != nil {
		return err
	}
	m.Known = true
	return nil
}
