package deploy

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"testing"

	core "k8s.io/api/core/v1"
)

// password and key are what the secrets hold that an operator makes.
const (
	password = "r0123456789abcdef"
	key      = "0123456789abcdef0123456789abcdef"
)

var secrets = map[string]map[string]string{
	"rialto-nats": {"password": password},
	"rialto-auth": {"token-key": key},
}

// pods are the containers of a workload, on addresses that begin with the given one. Of what manifests say nothing is changed but where
// programs listen: all of these share one network.
func (of *manifests) pods(t *testing.T, name, addresses string, hosts map[string]string) []container {
	t.Helper()
	workload, all := of.workload(t, name), []container{}
	described := workload.container()
	security := workload.pod().SecurityContext
	for number := range workload.replicas {
		pod := container{
			name: fmt.Sprintf("%s-%d", name, number), address: fmt.Sprintf("%s%d", addresses, number), hosts: hosts,
			files: map[string]file{}, user: uint32(*security.RunAsUser), group: uint32(*security.RunAsGroup),
		}
		hosts[pod.name+"."+name] = pod.address
		pod.command = append(described.Command, described.Args...)
		if len(described.Command) == 0 {
			pod.command = append(entrypoint(t), described.Args...)
		}
		pod.environment = pod.resolved(t, described.Env)
		of.mount(t, &pod, workload)
		all = append(all, pod)
	}
	return all
}

// resolved are variables with what they refer to: fields, secrets, and variables before them.
func (of container) resolved(t *testing.T, variables []core.EnvVar) []string {
	t.Helper()
	fields := map[string]string{"metadata.name": of.name, "status.podIP": of.address}
	values, environment := map[string]string{}, []string{}
	for _, variable := range variables {
		value := regexp.MustCompile(`\$\((\w+)\)`).ReplaceAllStringFunc(variable.Value, func(reference string) string {
			return values[reference[2:len(reference)-1]]
		})
		if from := variable.ValueFrom; from != nil && from.FieldRef != nil {
			value = fields[from.FieldRef.FieldPath]
		} else if from != nil {
			value = secrets[from.SecretKeyRef.Name][from.SecretKeyRef.Key]
		}
		if value == "" {
			t.Fatalf("nobody knows %s", variable.Name)
		}
		values[variable.Name] = value
		environment = append(environment, variable.Name+"="+value)
	}
	return environment
}

// mount gives the container the files of its config maps and secrets, and its volume.
func (of *manifests) mount(t *testing.T, pod *container, workload workload) {
	t.Helper()
	volumes := map[string]map[string]file{}
	for _, volume := range workload.pod().Volumes {
		volumes[volume.Name] = map[string]file{}
		if volume.ConfigMap != nil {
			for name, text := range of.maps[volume.ConfigMap.Name].Data {
				volumes[volume.Name][name] = file{text, 0o644}
			}
		} else if volume.Secret != nil {
			for name, text := range secrets[volume.Secret.SecretName] {
				volumes[volume.Name][name] = file{text, os.FileMode(*volume.Secret.DefaultMode)}
			}
		}
	}
	for _, mounted := range workload.container().VolumeMounts {
		if volume, is := volumes[mounted.Name]; is {
			for name, text := range maps.All(volume) {
				pod.files[mounted.MountPath+"/"+name] = text
			}
		} else if len(workload.claims) == 1 && workload.claims[0].Name == mounted.Name {
			pod.data = mounted.MountPath
		} else {
			t.Fatalf("there is no volume %s", mounted.Name)
		}
	}
}
