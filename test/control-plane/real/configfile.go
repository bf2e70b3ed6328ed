package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"gopkg.in/yaml.v3"
)

const defaultConfigFile = "/etc/rancher/k3s/config.yaml"

// readConfigFiles reads a configuration file and the drop-ins beside it, `<file>.d/*.yaml` in
// order of name. Later files replace a key, or add to it when the key is written `key+`, as on k3s.
// The default file may be absent; one that was named may not.
func readConfigFiles(path string, named bool) (values, error) {
	if path == "" {
		path = defaultConfigFile
	}
	given := values{}
	content, err := os.ReadFile(path)
	if err == nil {
		err = mergeConfig(given, content)
	} else if os.IsNotExist(err) && !named {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("configuration file %s: %w", path, err)
	}
	dropIns, err := filepath.Glob(filepath.Join(path+".d", "*.yaml"))
	if err != nil {
		return nil, err
	}
	sort.Strings(dropIns)
	for _, dropIn := range dropIns {
		content, err := os.ReadFile(dropIn)
		if err == nil {
			err = mergeConfig(given, content)
		}
		if err != nil {
			return nil, fmt.Errorf("configuration file %s: %w", dropIn, err)
		}
	}
	return given, nil
}

func mergeConfig(given values, content []byte) error {
	document := map[string]any{}
	if err := yaml.Unmarshal(content, &document); err != nil {
		return err
	}
	for key, value := range document {
		name, adds := strings.CutSuffix(strings.TrimLeft(key, "-"), "+")
		if _, err := kindOf(name); err != nil {
			return err
		}
		var list []string
		switch typed := value.(type) {
		case []any:
			for _, element := range typed {
				list = append(list, fmt.Sprint(element))
			}
		case map[string]any:
			return fmt.Errorf("key %s: expected a value or a list", key)
		case nil:
			continue
		default:
			list = []string{fmt.Sprint(typed)}
		}
		if adds {
			list = append(append([]string{}, given[name]...), list...)
		}
		given[name] = list
	}
	return nil
}
