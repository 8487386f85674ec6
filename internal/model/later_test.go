package model

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestLaterAgesEverything fills every age of a Snapshot, by its type, so that one which
// Later forgets is found when it is added.
func TestLaterAgesEverything(t *testing.T) {
	s := &Snapshot{
		Time: time.Unix(1000, 0), Sockets: &Sockets{NextRead: 2 * time.Second},
		Processes: []Process{{Epolls: []Epoll{{NextRead: time.Minute}}, Placement: &Placement{}}},
	}
	found := 0
	eachAge(reflect.ValueOf(s), "", func(_ string, v reflect.Value) {
		found++
		v.SetInt(int64(time.Second))
	})
	if found < 4 {
		t.Fatalf("found %d ages", found)
	}
	later := s.Later(3 * time.Second).Later(2 * time.Second)
	eachAge(reflect.ValueOf(later), "", func(path string, v reflect.Value) {
		if got := time.Duration(v.Int()); got != 6*time.Second {
			t.Errorf("%s is %v, want 6s", path, got)
		}
	})
	eachAge(reflect.ValueOf(s), "", func(path string, v reflect.Value) {
		if got := time.Duration(v.Int()); got != time.Second {
			t.Errorf("%s of the look itself is %v now", path, got)
		}
	})
	if !later.Time.Equal(time.Unix(1005, 0)) || later.Stale != 5*time.Second || s.Stale != 0 {
		t.Errorf("at %v, stale by %v", later.Time, later.Stale)
	}
	if later.Sockets.NextRead != 0 || later.Processes[0].Epolls[0].NextRead != 55*time.Second {
		t.Errorf("next reads in %v and %v", later.Sockets.NextRead, later.Processes[0].Epolls[0].NextRead)
	}
	var never Process
	if got := (&Snapshot{Processes: []Process{never}}).Later(time.Second).Processes[0].ListedAge; got != 0 {
		t.Errorf("what was never listed is %v old", got)
	}
}

// eachAge calls f with every duration whose name ends with Age.
func eachAge(v reflect.Value, path string, f func(string, reflect.Value)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			eachAge(v.Elem(), path, f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			eachAge(v.Index(i), path+"[]", f)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			switch name := path + "." + field.Name; {
			case !field.IsExported():
			case field.Type == reflect.TypeFor[time.Duration]() && strings.HasSuffix(field.Name, "Age"):
				f(name, v.Field(i))
			default:
				eachAge(v.Field(i), name, f)
			}
		}
	}
}
