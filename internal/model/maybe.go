// Package model says what a look at the machine means. A Sample is what the
// collectors read; New turns it into a Snapshot: sums, attribution, costs and
// limits. The package does no I/O, and a Snapshot never changes, so that the
// screen, the JSON and the text report all show the same picture.
package model

import "encoding/json"

// Maybe is a value that may be absent: denied, unsupported or not read yet.
// The zero Maybe is absent, so a forgotten field never turns into a 0 on
// screen. With `json:",omitzero"` an absent value is left out of the JSON.
type Maybe[T any] struct {
	Value T
	Known bool
}

// Some returns a value that is known.
func Some[T any](v T) Maybe[T] { return Maybe[T]{Value: v, Known: true} }

// Get returns the value and whether it is known.
func (m Maybe[T]) Get() (T, bool) { return m.Value, m.Known }

// IsZero reports whether the value is absent (encoding/json's omitzero asks).
func (m Maybe[T]) IsZero() bool { return !m.Known }

// MarshalJSON writes the value, or null where it is absent.
func (m Maybe[T]) MarshalJSON() ([]byte, error) {
	if !m.Known {
		return []byte("null"), nil
	}
	return json.Marshal(m.Value)
}

// UnmarshalJSON reads a value; null is absent.
func (m *Maybe[T]) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*m = Maybe[T]{}
		return nil
	}
	if err := json.Unmarshal(b, &m.Value); err != nil {
		return err
	}
	m.Known = true
	return nil
}
