package model

import "encoding/json"

// MarshalJSON leaves the counts of an instance out whose watches are not known: a
// number that could not be had is absent, not 0.
func (e Epoll) MarshalJSON() ([]byte, error) {
	type fields Epoll // without this method
	if e.State == OK {
		return json.Marshal(fields(e))
	}
	return json.Marshal(struct {
		fields
		noCounts
	}{fields: fields(e)})
}

// noCounts hides the fields of Counts, which lie one level deeper.
type noCounts struct {
	Watches   *int64 `json:"watches,omitempty"`
	ET        *int64 `json:"et,omitempty"`
	OneShot   *int64 `json:"oneshot,omitempty"`
	Disarmed  *int64 `json:"disarmed,omitempty"`
	Exclusive *int64 `json:"exclusive,omitempty"`
	Wakeup    *int64 `json:"wakeup,omitempty"`
	Stale     *int64 `json:"stale,omitempty"`
	Unproven  *int64 `json:"unproven,omitempty"`
	Nested    *int64 `json:"nested,omitempty"`
	Terminals *int64 `json:"terminals,omitempty"`
	Paths     *int64 `json:"paths,omitempty"`
}
