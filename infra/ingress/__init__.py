"""What the ingress of a Docker host serves with: Caddy's configuration, which is static, and the maintenance page.

Nothing here changes when a customer comes, goes or is switched: Caddy asks the folder of sites at every request (see
`infra.sites`), so it is never reloaded and no connection is ever closed for a switch.
"""
