package edge

// frames follows the frames of HTTP/2 that a server writes (RFC 9113 section
// 4.1: nine bytes, the first three of them the length of what follows). A server
// writes a frame at once; a piece that ends inside one is a full buffer, and the
// rest is on its way.
type frames struct {
	head [frameHead]byte
	seen int // bytes of head
	left int // bytes of the frame's content
}

const frameHead = 9

// missing takes a piece and returns how many bytes the frame lacks in which it
// ends, 0 at the end of a frame. Inside of a frame's head it is 0 too: nothing
// is known then.
func (f *frames) missing(p []byte) int {
	for len(p) > 0 {
		if f.left > 0 {
			n := min(f.left, len(p))
			f.left -= n
			p = p[n:]
			continue
		}
		n := copy(f.head[f.seen:], p)
		f.seen += n
		p = p[n:]
		if f.seen == frameHead {
			f.seen = 0
			f.left = int(f.head[0])<<16 | int(f.head[1])<<8 | int(f.head[2])
		}
	}
	return f.left
}
