package model

// Focus is what a look should see first and in any case.
type Focus struct {
	// PIDs are processes to include whether they hold epolls or not.
	PIDs []int
	// Fresh lists every process again, as far as the cost of its last listing
	// allows.
	Fresh bool
	// Limits asks for the limits that a load would run into.
	Limits bool
	// Caches are slab caches, as slabinfo names them, of which the objects are wanted
	// for each node, besides those that costs are made of. AllCaches is all of them.
	Caches    []string
	AllCaches bool
	// Quiet lists no fds, reads no epolls and dumps no sockets: what is known of them
	// stays, and the kernel allocates nothing for the look. It is for the time in
	// which the load generator's connections are measured. A first look is never
	// quiet.
	Quiet bool
}
