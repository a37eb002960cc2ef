set -eu
umask 077
site=/var/lib/crmhost/customers/acme/tls/acme.pem; by=882e8a0733b7092e; live=/var/lib/private/crmhost-tls/acme/live/site
dated() { t=$(openssl x509 -noout "-$1date" -in "$site") && date -d "${t#*=}" +%s; }
load() {
  if systemctl is-active --quiet nginx; then nginx -t -q && systemctl reload nginx || return 1; fi
  rm -f -- "$site.unread"
}
case ${1:-} in
due)
  if [ -e "$site.unread" ]; then load || true; fi
  [ -s "$site" ] && [ "$(cat -- "$site.by" 2>/dev/null)" = "$by" ] || exit 0
  since=$(dated start) && until=$(dated end) || exit 0
  [ $(((until - $(date +%s)) * 3)) -lt $((until - since)) ] ;;
install)
  cert=$live/fullchain.pem; key=$live/privkey.pem
  case $(openssl x509 -noout -checkhost crm.acme.lan -in "$cert") in
  *'does match'*) ;;
  *) echo 'what was issued is not for' crm.acme.lan; exit 1 ;;
  esac
  if [ "$(openssl x509 -noout -pubkey -in "$cert")" != "$(openssl pkey -pubout -in "$key")" ]; then
    echo 'what was issued does not belong to its key'
    exit 1
  fi
  {
    openssl pkey -in "$key"
    sed -n '/^-----BEGIN CERTIFICATE-----$/,/^-----END CERTIFICATE-----$/p' "$cert"
  } >"$site.new"
  printf '%s\n' "$by" >"$site.by.new"
  : >"$site.unread"
  sync "$site.new" "$site.by.new" "$site.unread"
  mv -fT -- "$site.new" "$site"
  mv -fT -- "$site.by.new" "$site.by"
  load ;;
*) exit 2 ;;
esac
