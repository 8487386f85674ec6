//go:build linux

#include "textflag.h"

// func start()
TEXT ·start(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVD $25, R8 // fcntl
	MOVD $1, R0
	MOVD $1, R1 // F_GETFD
	SVC
	MOVD R0, ·stdoutFlags(SB)
	B    _rt0_arm64_linux(SB)
