package consent

// SignalsGPC tells whether the request headers named Sec-GPC carry the Global Privacy Control
// signal. Only the exact value "1" does; of several headers one is enough, every other value is
// ignored.
func SignalsGPC(values []string) bool {
	for _, v := range values {
		if v == "1" {
			return true
		}
	}
	return false
}

// SignalsDNT tells whether the request headers named DNT ask not to be tracked. The signal is
// retired; it is recorded, and decides only on deployments that honour it.
func SignalsDNT(values []string) bool { return SignalsGPC(values) }
