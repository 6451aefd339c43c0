package signature

// SignedText is what the scheme finds to be signed in a request, and the length
// of its signatures in bytes, for benchmarks that hash the same by hand.
func SignedText(scheme string, r Request) (pieces [][]byte, size int, err error) {
	s, err := find(scheme)
	if err != nil {
		return nil, 0, err
	}
	c := &claim{}
	if err := s.read(r, c); err != nil {
		return nil, 0, err
	}
	return c.message, len(c.signatures[0]), nil
}
