// Opens notes and checks proofs with Go's own packages: golang.org/x/mod/sumdb/note and …/tlog.
//
// Reads JSON lines, answers each with a JSON line. Build it offline with Debian's golang-go and
// golang-golang-x-mod-dev: GO111MODULE=off GOPATH=/usr/share/gocode go build
package main

import (
	"bufio"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type question struct {
	Note      []byte   // base64 in JSON
	Keys      []string // verifier keys
	Sign      string   // a private key: sign Text with it
	Text      string
	Index     int64
	Old, Size int64
	Leaf      []byte
	OldRoot   []byte
	Root      []byte
	Proof     [][]byte
	Kind      string // open, sign, inclusion, consistency
}

type answer struct {
	Text     string   `json:"text,omitempty"`
	Verified []string `json:"verified,omitempty"`
	Note     []byte   `json:"note,omitempty"`
	Error    string   `json:"error,omitempty"`
}

// cosigner verifies cosignature/v1, which sumdb/note leaves to whoever needs it.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }
func (c cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	head := fmt.Sprintf("cosignature/v1\ntime %d\n", binary.BigEndian.Uint64(sig))
	return ed25519.Verify(c.key, append([]byte(head), msg...), sig[8:])
}

func verifier(vkey string) (note.Verifier, error) {
	v, err := note.NewVerifier(vkey)
	if err == nil {
		return v, nil
	}
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, err
	}
	key, err2 := base64.StdEncoding.DecodeString(parts[2])
	var hash uint32
	if _, err3 := fmt.Sscanf(parts[1], "%08x", &hash); err2 != nil || err3 != nil || len(key) != 33 || key[0] != 4 {
		return nil, err
	}
	return cosigner{parts[0], hash, key[1:]}, nil
}

func open(q question) (a answer, err error) {
	var known []note.Verifier
	for _, vkey := range q.Keys {
		v, err := verifier(vkey)
		if err != nil {
			return a, err
		}
		known = append(known, v)
	}
	n, err := note.Open(q.Note, note.VerifierList(known...))
	if err != nil {
		return a, err
	}
	a.Text = n.Text
	for _, s := range n.Sigs {
		a.Verified = append(a.Verified, fmt.Sprintf("%s+%08x", s.Name, s.Hash))
	}
	return a, nil
}

func sign(q question) (a answer, err error) {
	s, err := note.NewSigner(q.Sign)
	if err != nil {
		return a, err
	}
	a.Note, err = note.Sign(&note.Note{Text: q.Text}, s)
	return a, err
}

func hash(b []byte) (h tlog.Hash) {
	copy(h[:], b)
	return h
}

func proof(q question) (list []tlog.Hash) {
	for _, each := range q.Proof {
		list = append(list, hash(each))
	}
	return list
}

func reply(q question) (answer, error) {
	switch q.Kind {
	case "open":
		return open(q)
	case "sign":
		return sign(q)
	case "inclusion":
		return answer{}, tlog.CheckRecord(tlog.RecordProof(proof(q)), q.Size, hash(q.Root), q.Index, hash(q.Leaf))
	case "consistency":
		return answer{}, tlog.CheckTree(tlog.TreeProof(proof(q)), q.Size, hash(q.Root), q.Old, hash(q.OldRoot))
	}
	return answer{}, errors.New("unknown question")
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		var q question
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		a, err := reply(q)
		if err != nil {
			a = answer{Error: err.Error()}
		}
		if err := out.Encode(a); err != nil {
			os.Exit(1)
		}
	}
}
