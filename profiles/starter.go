package profiles

import _ "embed"

//go:embed init.yaml
var commented []byte

// Commented is the profile that berry init writes: every key with its default
// and what it is for. It loads once the public key and the password file that
// it names are beside it.
func Commented() []byte { return append([]byte(nil), commented...) }
