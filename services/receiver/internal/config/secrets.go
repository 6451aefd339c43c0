package config

import (
	"example.com/signet/pkg/service"
)

// Secrets reads only the default source's secrets, in the order they are tried, for commands that verify
// without running the service. Nothing else of the environment is looked at. The error names each file that
// cannot be read; there may be no secret at all.
func Secrets(environ []string) ([]string, error) {
	env, faults := service.ReadEnvironment(environ, func(name string) bool {
		prefix, _, ok := secretName(name)
		return ok && prefix == ""
	})
	var secrets []string
	for _, variable := range secretVariables("") {
		if env[variable] != "" {
			secrets = append(secrets, env[variable])
		}
	}
	return secrets, faults.Err()
}
