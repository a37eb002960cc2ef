"""A deploy with nothing to do, every resource really asked, beside Fabric running `true` on the same host."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import medians, show
from crmhost.demo.scene import Scene, set_scene, sweep


def main() -> None:
    """Deploy Creme to a sandbox host, then time deploys that find nothing to do."""
    folder = None
    try:
        with set_scene(os.environ) as scene:
            folder = scene.folder
            _deploy(scene)
            _measure(scene)
    finally:
        if folder is not None:
            sweep(folder, keep_fleet=False)
            shutil.rmtree(folder, ignore_errors=True)


def _deploy(scene: Scene) -> None:
    address = scene.host.address
    url = f"http://127.0.0.1:{scene.site}/"
    scene.commands.run("init", "--set", f"ssh.key={scene.host.key_file}")
    scene.commands.run(
        *("init", "bench", "--host", address.host, "--port", str(address.port), "--user", address.user),
        *("--listen", f"127.0.0.1:{scene.site}", "--url", url, "--set", "term.signed=2026-01-10"),
    )
    scene.commands.run("deploy", "bench", "--yes", "--accept-host-key")


def _measure(scene: Scene) -> None:
    address = scene.host.address
    os.environ["CRMHOST_AGE_KEY_FILE"] = scene.commands.environment["CRMHOST_AGE_KEY_FILE"]
    program = str(Path(sys.executable).with_name("crmhost"))
    fab = str(Path(sys.executable).with_name("fab"))
    key = str(scene.host.key_file)
    os.chdir(scene.folder)  # where there is no fabfile: its import is not Fabric's own time
    taken = medians(
        {
            "fabric": [fab, "-H", f"{address.user}@{address.host}:{address.port}", "-i", key, "--", "true"],
            "deploy": [program, "--fleet", str(scene.commands.fleet), "deploy", "bench", "--yes"],
            "ssh": _ssh(scene),
        },
        rounds=11,
    )
    asked = scene.commands.ask("plan", "bench")[-1]["resources"]
    ratio = taken["deploy"] / taken["fabric"]
    beside = f"fab -- true {taken['fabric']:.3f} s, ssh true {taken['ssh']:.3f} s"
    show([(f"deploy, nothing to do, {asked} resources", f"{taken['deploy']:.3f} s ({ratio:.2f} x)", beside, "1.2 x")])


def _ssh(scene: Scene) -> list[str]:
    address = scene.host.address
    if shutil.which("ssh") is None:
        return [sys.executable, "-c", "pass"]
    options = ["-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={scene.folder}/ssh_known", "-q"]
    argv = ["ssh", *options, "-i", str(scene.host.key_file), "-p", str(address.port), f"sandbox@{address.host}", "true"]
    return argv if subprocess.run(argv, check=False).returncode == 0 else [sys.executable, "-c", "pass"]


if __name__ == "__main__":
    main()
