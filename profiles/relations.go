package profiles

import "strconv"

// relate judges what the nodes are to each other.
func relate(machines []machine) {
	distinct(machines, "name", sameName, func(m machine) string { return m.Name })
	distinct(machines, "host", sameHost, func(m machine) string { return m.Host })
	storage := ofRole(machines, Storage)
	distinct(storage, "web_port", samePort, func(m machine) string { return strconv.Itoa(m.WebPort) })
	relateAddresses(storage)
	atMostOne(ofRole(machines, Remote))
	atMostOne(ofRole(machines, Balancer))
}

// count judges how many nodes of each role there are.
func (root *mapping) count(machines []machine) {
	if n := len(ofRole(machines, Storage)); n == 0 || n%3 != 0 {
		root.refuse("nodes", storageCount(n))
	}
	if len(ofRole(machines, Remote)) == 0 && root.has("ddns") {
		root.refuse("ddns", ddnsWithoutRemote)
	}
}

func ofRole(machines []machine, role Role) []machine {
	var found []machine
	for _, m := range machines {
		if m.Role == role {
			found = append(found, m)
		}
	}
	return found
}

// distinct finds machines that share what each should have for itself. Values
// that are missing or wrong in themselves are passed over.
func distinct(machines []machine, key string, p func(value, other string) problem, value func(machine) string) {
	seen := map[string]machine{}
	for _, m := range machines {
		v := value(m)
		if v == "" || m.at.wrong(key) {
			continue
		}
		if first, again := seen[v]; again {
			m.at.refuse(key, p(v, first.called()))
			continue
		}
		seen[v] = m
	}
}

// called names the machine in a mistake of another one.
func (m machine) called() string {
	if m.Name == "" {
		return m.at.at.path
	}
	return m.Name + " (line " + strconv.Itoa(m.at.at.line) + ")"
}

// relateAddresses judges the fixed addresses of the storage nodes, which share
// one network in one house. A remote node's network is another one and may
// well use the same private addresses.
func relateAddresses(storage []machine) {
	var fixed []machine
	for _, m := range storage {
		if m.at.hasMapping("address") && !m.at.wrong("address") {
			fixed = append(fixed, m)
		}
	}
	for i, m := range fixed {
		if first := fixed[0]; m.Address.CIDR.Masked() != first.Address.CIDR.Masked() {
			m.at.refuse("address", otherNetwork(m.Address.CIDR.Masked(), first.Address.CIDR.Masked(), first.called()))
		}
		for _, other := range fixed[:i] {
			if m.Address.CIDR.Addr() == other.Address.CIDR.Addr() {
				m.at.refuse("address", sameAddress(m.Address.CIDR.Addr(), other.called()))
			}
		}
	}
}

// atMostOne refuses the second and every further node of a role.
func atMostOne(machines []machine) {
	for i, m := range machines {
		if i > 0 {
			m.at.refuse("role", secondOfRole(m.Role, machines[0].called()))
		}
	}
}
