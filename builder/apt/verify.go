package apt

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// opened returns the text inside an InRelease file after its signature proved
// to be by one of the keys.
func opened(inRelease []byte, keys openpgp.EntityList, now time.Time) (string, error) {
	block, _ := clearsign.Decode(inRelease)
	if block == nil {
		return "", errors.New("it is not signed")
	}
	if err := verify(keys, block.Bytes, block.ArmoredSignature.Body, now); err != nil {
		return "", err
	}
	return string(block.Plaintext), nil
}

// verifyDetached checks a Release file against its Release.gpg.
func verifyDetached(release, signature []byte, keys openpgp.EntityList, now time.Time) error {
	block, err := armor.Decode(bytes.NewReader(signature))
	if err != nil {
		return errors.New("its signature file holds no signature")
	}
	return verify(keys, release, block.Body, now)
}

// verify wants one good signature by one of the keys, which must be valid now:
// archives sign with several keys, of which a base may know only one.
func verify(keys openpgp.EntityList, signed []byte, signature io.Reader, now time.Time) error {
	if len(keys) == 0 {
		return errors.New("there is no key to check its signature with")
	}
	config := &packet.Config{Time: func() time.Time { return now }}
	md, err := openpgp.VerifyDetachedSignatureReader(keys, bytes.NewReader(signed), signature, config)
	if err != nil {
		return fmt.Errorf("its signature cannot be read: %w", err)
	}
	if _, err := io.Copy(io.Discard, md.UnverifiedBody); err != nil {
		return err
	}
	switch {
	case errors.Is(md.SignatureError, pgperrors.ErrUnknownIssuer):
		return fmt.Errorf("it is signed by %s, and none of these keys is known", signers(md))
	case md.SignatureError != nil:
		return fmt.Errorf("its signature is bad: %w", md.SignatureError)
	}
	if _, err := md.SignedBy.Entity.VerifyPrimaryKey(now, config); err != nil {
		return fmt.Errorf("it is signed by a key that is not valid any more: %w", err)
	}
	return nil
}

// signers lists the ids of the keys a file claims to be signed by.
func signers(md *openpgp.MessageDetails) string {
	var ids []string
	for _, c := range md.SignatureCandidates {
		ids = append(ids, fmt.Sprintf("%016X", c.IssuerKeyId))
	}
	return strings.Join(ids, ", ")
}
