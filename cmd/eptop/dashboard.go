package main

import (
	"context"
	"errors"
)

func (s *settings) dashboard(ctx context.Context) error {
	return errors.New("no dashboard yet")
}
