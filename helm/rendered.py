"""Takes what other programs check out of what Helm rendered.

rendered.py config RENDERED FOLDER    the configuration and the files it names, for `kvgate check`:
                                      below FOLDER as in the pod; prints the pod's environment
rendered.py rules RENDERED            the alerts, as promtool reads them
rendered.py queries DASHBOARD         the dashboard's queries, as rules that promtool reads
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

# What Grafana puts in.
VARIABLES = {"$__rate_interval": "5m", "$namespace": "n", "$job": "j", "$store": ".*"}


def main(what: str, *arguments: str) -> None:
    {"config": config, "test": test, "rules": rules, "queries": queries}[what](
        *arguments
    )


def of_kind(rendered: str, *kinds: str) -> list[dict[str, Any]]:
    documents = yaml.safe_load_all(Path(rendered).read_text(encoding="utf-8"))
    return [
        document for document in documents if document and document["kind"] in kinds
    ]


def config(rendered: str, folder: str) -> None:
    workload = of_kind(rendered, "Deployment", "StatefulSet")[0]
    pod = workload["spec"]["template"]["spec"]
    container = next(each for each in pod["containers"] if each["name"] == "kvgate")
    secrets = {each["metadata"]["name"]: each for each in of_kind(rendered, "Secret")}
    text = of_kind(rendered, "ConfigMap")[0]["data"]["kvgate.yaml"]

    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    volumes |= {
        claim["metadata"]["name"]: {}
        for claim in workload["spec"].get("volumeClaimTemplates", [])
    }
    for path in sorted(set(re.findall(r"/etc/kvgate/[\w./-]+", text))):
        mount = next((mount for mount in mounts if path.startswith(f"{mount}/")), None)
        if mount is None or mounts[mount] not in volumes:
            sys.exit(
                f"{rendered}: the configuration names {path}, which is not mounted"
            )
        secret = volumes[mounts[mount]].get("secret", {}).get("secretName")
        file = Path(folder + path)
        file.parent.mkdir(parents=True, exist_ok=True)
        make(file, secrets.get(secret, {}).get("stringData", {}).get(file.name))
    target = Path(folder, "kvgate.yaml")
    target.write_text(
        text.replace("/etc/kvgate/", f"{folder}/etc/kvgate/"), encoding="utf-8"
    )
    for variable in container.get("env", []):
        is_url = variable["name"].endswith("_URL")
        print(
            f"{variable['name']}={variable.get('value') or ('mongodb://localhost' if is_url else 'made-up')}"
        )


def make(file: Path, content: str | None) -> None:
    """A file as it would be in the pod: the chart's, or one of the kind that its name says."""
    if content is None and file.suffix in (".crt", ".pem", ".key"):
        pair = [
            file.with_suffix(".key"),
            file.with_suffix(".pem" if file.suffix == ".pem" else ".crt"),
        ]
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
            ]
            + ["-subj", "/CN=kvgate", "-addext", "subjectAltName=DNS:kvgate"]
            + ["-keyout", str(pair[0]), "-out", str(pair[1])],
            check=True,
            capture_output=True,
        )
    elif content is None and file.name.startswith("tokens."):
        entry = {"principal": "web", "sha256": "0" * 64, "roles": ["web"]}
        lines = "".join(
            f"{name} = {json.dumps(value)}\n" for name, value in entry.items()
        )
        file.write_text(f"[[tokens]]\n{lines}", encoding="utf-8")
    else:
        file.write_text(content or "made-up", encoding="utf-8")


def test(rendered: str) -> None:
    pod = of_kind(rendered, "Pod")[0]["spec"]
    print(of_kind(rendered, "Secret")[0]["stringData"]["token"])
    for container in pod["initContainers"] + pod["containers"]:
        print("\t".join(container["args"]))


def rules(rendered: str) -> None:
    groups = [
        group
        for rule in of_kind(rendered, "PrometheusRule")
        for group in rule["spec"]["groups"]
    ]
    yaml.safe_dump({"groups": groups}, sys.stdout)


def queries(dashboard: str) -> None:
    panels = json.loads(Path(dashboard).read_text(encoding="utf-8"))["panels"]
    found = []
    for panel in panels:
        for target in panel.get("targets", []):
            query = target["expr"]
            for variable, value in VARIABLES.items():
                query = query.replace(variable, value)
            found.append({"record": f"query:{len(found)}", "expr": query})
    yaml.safe_dump({"groups": [{"name": "dashboard", "rules": found}]}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
