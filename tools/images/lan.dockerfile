# A LAN server: Debian with systemd as its init, SSH and sudo. Accounts: deploy (sudo without a password), asks (sudo with
# one), plain (no sudo) and root; keys are put into it before it starts. Its host key is its own, made at the first start.
ARG BASE
FROM $BASE
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends \
      systemd systemd-sysv dbus openssh-server openssh-client sudo python3 python3-venv iproute2 nftables iptables \
      procps rsync \
 && apt-get clean && rm -rf /var/lib/apt/lists/* /etc/ssh/ssh_host_* /etc/machine-id && touch /etc/machine-id \
 && cd /etc/systemd/system && for unit in systemd-udevd.service systemd-udevd-kernel.socket \
      systemd-udevd-control.socket systemd-udev-trigger.service systemd-modules-load.service systemd-sysctl.service \
      getty.target console-getty.service systemd-logind.service sys-kernel-debug.mount sys-kernel-tracing.mount \
      dev-hugepages.mount dev-mqueue.mount systemd-timesyncd.service systemd-resolved.service \
      apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
      nftables.service; do ln -sf /dev/null "$unit"; done \
 && install -d ssh.service.d \
 && printf '%s\n' '[Service]' 'Environment=key=/etc/ssh/ssh_host_ed25519_key' 'ExecStartPre=' \
      'ExecStartPre=/bin/sh -c "test -e $key || ssh-keygen -A"' \
      'ExecStartPre=/usr/sbin/sshd -t' >ssh.service.d/keys.conf \
 && printf '%s\n' 'PasswordAuthentication no' 'MaxStartups 50:30:100' 'UseDNS no' \
      'HostKey /etc/ssh/ssh_host_ed25519_key' >/etc/ssh/sshd_config.d/test.conf
RUN for account in deploy asks plain; do useradd -m -s /bin/bash "$account" && usermod -p '*' "$account"; done \
 && printf '%s\n' "asks:it's \$a \"long\" pass\\\\phrase é" | chpasswd && printf '%s\n' 'plain:plain' | chpasswd \
 && printf '%s\n' 'deploy ALL=(ALL:ALL) NOPASSWD: ALL' 'asks ALL=(ALL:ALL) ALL' >/etc/sudoers.d/test \
 && chmod 0440 /etc/sudoers.d/test
ENV container=docker
STOPSIGNAL SIGRTMIN+3
EXPOSE 22
CMD ["/sbin/init"]
