package signature

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Faults of the secrets.

// explainMaxKeys bounds the keys made of the secrets' other readings, and
// explainMaxKeysLarge those tried on larger bodies: each reads the whole body.
const (
	explainMaxKeys      = 128
	explainMaxKeysLarge = 16
)

// readings collects keys that other readings of the secrets make.
type readings struct {
	*inquiry

	keys  []verifyingKey
	found []Finding // one for each key
	most  int       // keys
}

// otherSecrets supposes that a secret is the sender's and was written or read
// otherwise. All readings make one verifier, so they cost one verification.
func (i *inquiry) otherSecrets(yield func(variant) bool) {
	all := &readings{inquiry: i, most: explainMaxKeys}
	if i.large() {
		all.most = explainMaxKeysLarge
	}
	for n, secret := range i.secrets {
		if strings.TrimSpace(secret) != "" && len(all.keys) < all.most {
			all.read(i.secretLabel(n), secret)
		}
	}
	if len(all.keys) == 0 {
		return
	}
	yield(variant{
		request: i.request, verifier: i.rekeyed(func(*claim) {}, all.keys),
		finding: func(m Match) Finding { return all.found[m.Secret] },
	})
}

func (a *readings) read(label, secret string) {
	trimmed := strings.TrimSpace(secret)
	a.text(CauseSecretWhitespace, "There is space or a line's end around "+label+".", trimmed, secret)
	a.text(CauseSecretWhitespace, "The sender's secret ends with a newline, which "+label+" has lost.", secret+"\n", secret)
	a.text(CauseSecretWhitespace, "The sender's secret ends with a carriage return and newline, which "+label+" has lost.", secret+"\r\n", secret)
	a.text(CauseSecretQuoted, "There are quotes around "+label+".", strings.Trim(trimmed, "\"'`"), secret)
	if a.scheme.public != nil {
		if public, err := a.scheme.public(trimmed); err == nil {
			a.text(CauseSecretPrivateKey, "What is given as "+label+" is the private key; the public key made of it verifies.", public, secret)
		}
	}
	if encoded, found := strings.CutPrefix(trimmed, secretPrefix); found {
		a.prefixed(label, secret, encoded)
		return
	}
	a.text(CauseSecretPrefix, "The prefix "+secretPrefix+" is missing before "+label+".", secretPrefix+trimmed, secret)
	decoded, _ := decodeAnyBase64(trimmed)
	a.bytes(CauseSecretNotDecoded, "The sender decodes "+label+" from base64, and here it is used as text.", decoded)
	decoded, _ = hex.DecodeString(trimmed)
	a.bytes(CauseSecretNotDecoded, "The sender decodes "+label+" from hexadecimal, and here it is used as text.", decoded)
}

// prefixed are the readings of a secret that begins with whsec_. One of them is
// the scheme's own, and has failed already.
func (a *readings) prefixed(label, secret, encoded string) {
	decoded, _ := decodeAnyBase64(encoded)
	a.bytes(CauseSecretNotDecoded, "The sender decodes "+label+" from base64 after "+secretPrefix+", and here it is used as text.", decoded)
	a.bytes(CauseSecretDecoded, "The sender uses "+label+" as text, with "+secretPrefix+", and here it is decoded from base64.", []byte(secret))
	without := Finding{CauseSecretPrefix, "The sender uses " + label + " as text without the prefix " + secretPrefix + "."}
	if strings.HasPrefix(a.sample.secret, secretPrefix) {
		without = Finding{CauseSecretDecoded, "The sender uses what follows " + secretPrefix + " in " + label + " as text, and here it is decoded from base64."}
	}
	a.bytes(without.Cause, without.Detail, []byte(encoded))
}

// text adds a secret written otherwise and read as the scheme does.
func (a *readings) text(cause Cause, detail, changed, secret string) {
	if changed == secret || strings.TrimSpace(changed) == "" {
		return
	}
	if key, err := a.scheme.verifying(changed); err == nil {
		a.add(key, cause, detail)
	}
}

// bytes adds a key for schemes whose keys are bytes.
func (a *readings) bytes(cause Cause, detail string, key []byte) {
	if len(key) == 0 || !a.sample.shared {
		return
	}
	newHash := sha256.New // of all schemes so far that sign nothing here, and so show no signature
	if w, ok := a.sample.expected(""); ok {
		newHash, _ = hashOfSize(w.size)
	}
	if newHash == nil {
		return
	}
	a.add(newHMACKey(newHash, key), cause, detail)
}

func (a *readings) add(key verifyingKey, cause Cause, detail string) {
	if len(a.keys) < a.most {
		a.keys, a.found = append(a.keys, key), append(a.found, Finding{cause, detail})
	}
}

// secretLabel names a secret without showing it.
func (i *inquiry) secretLabel(n int) string {
	if len(i.secrets) == 1 {
		return "the secret"
	}
	return fmt.Sprintf("secret %d of %d", n+1, len(i.secrets))
}

// secretSigns are secrets that the scheme cannot use or that look like another
// scheme's.
func (i *inquiry) secretSigns() []Finding {
	found := i.otherFormats()
	if len(found) == 0 {
		found = i.unusableSecrets(false)
	}
	return found
}

func (i *inquiry) otherFormats() (found []Finding) {
	own := i.ownPrefixes()
	for n, secret := range i.secrets {
		for _, prefix := range []string{secretPrefix, publicPrefix, signingPrefix} {
			if strings.HasPrefix(strings.TrimSpace(secret), prefix) && !slices.Contains(own, prefix) {
				found = append(found, finding(CauseSecretOtherFormat,
					"What is given as %s begins with %s, as secrets of another scheme do and those of %s do not.", i.secretLabel(n), prefix, i.scheme.name))
			}
		}
	}
	return found
}

// ownPrefixes are those the scheme's secrets have. A pair of keys has two.
func (i *inquiry) ownPrefixes() []string {
	if i.scheme.name == "" || i.scheme.name == "stripe" { // Stripe's begin with whsec_ and are text all the same
		return []string{secretPrefix}
	}
	for _, prefix := range []string{secretPrefix, signingPrefix} {
		if strings.HasPrefix(i.sample.secret, prefix) {
			if prefix == signingPrefix {
				return []string{signingPrefix, publicPrefix}
			}
			return []string{prefix}
		}
	}
	return nil
}

// unusableSecrets say why the scheme cannot use one. The texts of such errors
// hold no secret.
func (i *inquiry) unusableSecrets(verified bool) (found []Finding) {
	if i.scheme.verifying == nil {
		return nil
	}
	for n, secret := range i.secrets {
		err := usable(secret, func() error {
			_, err := i.scheme.verifying(secret)
			return err
		})
		if err == nil {
			continue
		}
		also := ""
		if verified {
			also = ", though the request verifies with another one"
		}
		found = append(found, finding(CauseSecretUnusable, "%s cannot use %s%s: %s.", i.scheme.name, i.secretLabel(n), also, reason(err)))
	}
	return found
}
