package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"

	"example.com/signet/pkg/service"
	"example.com/signet/services/producer/internal/egress"
	"example.com/signet/services/producer/internal/endpoint"
)

const (
	listVariable   = "PRODUCER_ENDPOINTS"
	secretVariable = "PRODUCER_ENDPOINTS_SECRET"
	fileVariable   = "PRODUCER_ENDPOINTS_FILE"

	maxFile = 1 << 20 // bytes of a declaration
)

// declared collects the endpoints that the environment declares, and all that is wrong with them.
func (c *Config) declared() ([]endpoint.Spec, service.Faults) {
	listed, faults := c.listed()
	filed, more := c.filed()
	faults = append(faults, more...)
	hosts := egress.NewGuard(c.AllowPrivate)
	taken := map[string]bool{}
	var specs []endpoint.Spec
	add := func(variable string, given []endpoint.Spec) {
		for _, spec := range given {
			if taken[spec.Name] {
				faults = append(faults, service.Fault{Variable: variable, Problem: fmt.Sprintf("names the endpoint %q twice", spec.Name)})
			}
			taken[spec.Name] = true
			for _, wrong := range spec.Check(hosts) {
				faults = append(faults, service.Fault{Variable: variable, Problem: fmt.Sprintf("endpoint %q: %s", spec.Name, wrong)})
			}
			specs = append(specs, spec)
		}
	}
	add(listVariable, listed)
	add(fileVariable, filed)
	return specs, faults
}

// listed reads PRODUCER_ENDPOINTS: URLs that share one secret and are told everything.
func (c *Config) listed() (specs []endpoint.Spec, faults service.Faults) {
	urls := strings.Fields(c.EndpointURLs)
	if len(urls) > 0 && c.EndpointsSecret == "" {
		faults = append(faults, service.Fault{Variable: secretVariable, Problem: "must be set, or name a file that is not empty in " + secretVariable + "_FILE, beside " + listVariable})
	}
	for _, raw := range urls {
		specs = append(specs, endpoint.Spec{Name: nameOf(raw), URL: raw, Secret: c.EndpointsSecret})
	}
	return specs, faults
}

// nameOf makes a name out of a URL: its host and path. A query may be a credential, so of that only a digest
// is taken.
func nameOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return "(invalid URL)"
	}
	name := u.Host + strings.TrimSuffix(u.EscapedPath(), "/")
	if u.RawQuery != "" {
		digest := sha256.Sum256([]byte(u.RawQuery))
		name += "?" + hex.EncodeToString(digest[:4])
	}
	if len(name) > endpoint.MaxName {
		digest := sha256.Sum256([]byte(name))
		name = name[:endpoint.MaxName-20] + "…" + hex.EncodeToString(digest[:8])
	}
	return name
}

// declaration is one endpoint of PRODUCER_ENDPOINTS_FILE.
type declaration struct {
	Name        string   `yaml:"name"`
	URL         string   `yaml:"url"`
	Secret      string   `yaml:"secret"`
	SecretFile  string   `yaml:"secret_file"` // relative to the declaration's own directory
	Events      []string `yaml:"events"`
	Scheme      string   `yaml:"scheme"`
	Tenant      string   `yaml:"tenant"`
	Concurrency int      `yaml:"concurrency"`
	RateLimit   float64  `yaml:"rate_limit"` // attempts a second
}

// filed reads PRODUCER_ENDPOINTS_FILE.
func (c *Config) filed() (specs []endpoint.Spec, faults service.Faults) {
	if c.EndpointsFile == "" {
		return nil, nil
	}
	report := func(problem string) {
		faults = append(faults, service.Fault{Variable: fileVariable, Problem: problem})
	}
	list, err := readDeclarations(c.EndpointsFile)
	if err != nil {
		report("cannot be used: " + err.Error())
		return nil, faults
	}
	for i, d := range list {
		if d.Name == "" {
			report(fmt.Sprintf("endpoint %d: name is required", i+1))
			continue
		}
		secret, err := d.secret(filepath.Dir(c.EndpointsFile))
		if err != nil {
			report(fmt.Sprintf("endpoint %q: %s", d.Name, err))
		}
		specs = append(specs, endpoint.Spec{
			Name: d.Name, URL: d.URL, Events: d.Events, Scheme: d.Scheme, Secret: secret, Tenant: d.Tenant, Concurrency: d.Concurrency,
			RateLimit: d.RateLimit,
		})
	}
	return specs, faults
}

func readDeclarations(path string) ([]declaration, error) {
	content, err := readFile(path)
	if err != nil {
		return nil, err
	}
	list, err := decodeDeclarations(content)
	if err != nil && !errors.Is(err, io.EOF) { // EOF: an empty file declares nothing
		return nil, fmt.Errorf("%s: %s", path, describe(err))
	}
	return list, nil
}

// decodeDeclarations survives what the YAML package does not: it panics on some tags, such as "!0000 0".
func decodeDeclarations(content []byte) (list []declaration, err error) {
	defer func() {
		if recover() != nil {
			list, err = nil, errNotYAML
		}
	}()
	err = yaml.NewDecoder(bytes.NewReader(content), yaml.Strict()).Decode(&list)
	return list, err
}

var errNotYAML = errors.New("not YAML")

// describe keeps an error of the YAML package to its place and reason: in full it quotes the lines around it,
// and a secret may stand there.
func describe(err error) string {
	var located yaml.Error
	if !errors.As(err, &located) {
		return "is not a list of endpoints in YAML"
	}
	at := ""
	if token := located.GetToken(); token != nil && token.Position != nil {
		at = fmt.Sprintf("line %d: ", token.Position.Line)
	}
	return at + located.GetMessage()
}

func readFile(path string) (content []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	content, err = io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("%s: larger than %d bytes", path, maxFile)
	}
	return content, err
}

var (
	errTwoSecrets = errors.New("has both secret and secret_file")
	errNoSecret   = errors.New("needs a secret or a secret_file")
)

func (d declaration) secret(dir string) (string, error) {
	switch {
	case d.Secret != "" && d.SecretFile != "":
		return "", errTwoSecrets
	case d.Secret != "":
		return d.Secret, nil
	case d.SecretFile == "":
		return "", errNoSecret
	}
	path := d.SecretFile
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	content, err := readFile(path)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if secret == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return secret, nil
}
