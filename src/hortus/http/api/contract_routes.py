"""The routes of the API that came before (http-api 4). Its clients may send more than it reads."""

from __future__ import annotations

CONTRACT_ROUTES = frozenset(
    {
        ("GET", "/ws"),
        ("GET", "/time"),
        ("POST", "/users"),
        ("GET", "/users/{username}"),
        ("PATCH", "/users/{username}"),
        ("GET", "/users/{username}/kit-memberships"),
        ("GET", "/me"),
        ("POST", "/me/auth"),
        ("POST", "/me/refresh"),
        ("GET", "/permissions"),
        ("GET", "/quantity-types"),
        ("GET", "/peripheral-definitions"),
        ("GET", "/kits"),
        ("POST", "/kits"),
        ("GET", "/kits/{kitSerial}"),
        ("PATCH", "/kits/{kitSerial}"),
        ("DELETE", "/kits/{kitSerial}"),
        ("POST", "/kits/{kitSerial}/password"),
        ("GET", "/kits/{kitSerial}/members"),
        ("POST", "/kits/{kitSerial}/members"),
        ("GET", "/kits/{kitSerial}/member-suggestions"),
        ("PATCH", "/kit-memberships/{kitMembershipId}"),
        ("DELETE", "/kit-memberships/{kitMembershipId}"),
        ("GET", "/kits/{kitSerial}/configurations"),
        ("POST", "/kits/{kitSerial}/configurations"),
        ("PATCH", "/kit-configurations/{kitConfigurationId}"),
        ("DELETE", "/kit-configurations/{kitConfigurationId}"),
        ("POST", "/kit-configurations/{kitConfigurationId}/peripherals"),
        ("PATCH", "/peripherals/{peripheralId}"),
        ("DELETE", "/peripherals/{peripheralId}"),
        ("GET", "/kits/{kitSerial}/aggregate-measurements"),
        ("GET", "/kits/{kitSerial}/media"),
        ("GET", "/media/{mediaId}/content"),
        ("DELETE", "/media/{mediaId}"),
        ("POST", "/kits/{kitSerial}/archive"),
        ("GET", "/kits/{kitSerial}/archive"),
        ("GET", "/kit-rpc/{kitSerial}/version"),
        ("GET", "/kit-rpc/{kitSerial}/uptime"),
        ("POST", "/kit-rpc/{kitSerial}/peripheral-command"),
    }
)
"""Methods and paths, relative to the base URL. On all others, an unknown query parameter is an error."""
