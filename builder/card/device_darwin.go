package card

var notHere = &Refusal{"berry cannot write cards on macOS yet", `use Raspberry Pi Imager: "Use custom", and no customisation`}

// ThisMachine has no counterpart here yet.
func ThisMachine() (Machine, error) { return Machine{}, notHere }

// Open has no counterpart here yet.
func Open(Device) (*Card, error) { return nil, notHere }
