package node

// OperatorName is the common name in the certificate of the person who runs the
// cluster. The blank keeps it from being any node's name. The builder writes it,
// and the peer service tells by it whom else than nodes it may answer.
const OperatorName = "berry operator"
