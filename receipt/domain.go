package receipt

// What a signature of this package starts with. Type bytes are never used
// again for something else.
const (
	domain = "stratos/receipt/v1"

	typeTicket byte = 1
)

// signedPrefix appends domain, type and chain id. The body that follows starts
// with its version, a byte that no chain id contains, so it is plain where one
// ends and the other begins.
func signedPrefix(b []byte, kind byte, chainID string) []byte {
	b = append(b, domain...)
	b = append(b, kind)
	return append(b, chainID...)
}

// ValidChainID tells whether a text can name a network: 1 to 50 characters,
// each a letter, a digit or one of - _ and the full stop.
func ValidChainID(id string) bool {
	if len(id) == 0 || len(id) > 50 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}
