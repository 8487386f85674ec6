//go:build linux

#include "textflag.h"

// func start()
TEXT ·start(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVQ $72, AX // fcntl
	MOVQ $1, DI
	MOVQ $1, SI // F_GETFD
	SYSCALL
	MOVQ AX, ·stdoutFlags(SB)
	JMP  _rt0_amd64_linux(SB)
