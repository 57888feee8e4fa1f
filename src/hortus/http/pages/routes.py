"""All pages: a new group of pages adds its class here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from starlette.routing import Route

from hortus.http.pages.account.account import AccountPages
from hortus.http.pages.account.keys import KeyPages
from hortus.http.pages.account.new_service import NewServicePages
from hortus.http.pages.account.notifications import NotificationPages
from hortus.http.pages.account.sessions import SessionPages
from hortus.http.pages.account.sign_up import InvitationPages, SignUpPages
from hortus.http.pages.admin.definitions import AdminDefinitions
from hortus.http.pages.admin.devices import AdminDevices
from hortus.http.pages.admin.overview import AdminOverview
from hortus.http.pages.admin.people import AdminPeople
from hortus.http.pages.admin.set_aside import AdminSetAside
from hortus.http.pages.admin.storage import AdminStorage
from hortus.http.pages.alerts.pages import AlertPages
from hortus.http.pages.charts.explorer import ExplorerPages
from hortus.http.pages.charts.marks import MarkPages
from hortus.http.pages.charts.pages import ChartPages
from hortus.http.pages.components_page import ComponentsPage
from hortus.http.pages.home.pages import HomePages
from hortus.http.pages.installable import Installable
from hortus.http.pages.kits.access_watch import AccessWatchPages
from hortus.http.pages.kits.adding import AddKitPages
from hortus.http.pages.kits.changes import ChangePages
from hortus.http.pages.kits.commands.pages import CommandPages
from hortus.http.pages.kits.configuration.activation_pages import ActivationPages
from hortus.http.pages.kits.configuration.configuration_pages import ConfigurationPages
from hortus.http.pages.kits.configuration.device_pages import DevicePages
from hortus.http.pages.kits.configuration.list_pages import ConfigurationListPages
from hortus.http.pages.kits.configuration.new_device_pages import NewDevicePages
from hortus.http.pages.kits.configuration.rule_part_pages import RulePartPages
from hortus.http.pages.kits.configuration.rules_pages import RulesPages
from hortus.http.pages.kits.connecting import ConnectKitPages
from hortus.http.pages.kits.connection import ConnectionPages
from hortus.http.pages.kits.data_check import DataCheckPages
from hortus.http.pages.kits.export import ExportPages
from hortus.http.pages.kits.invitations import KitInvitationPages
from hortus.http.pages.kits.many import ManyKitsPages
from hortus.http.pages.kits.members import MemberPages
from hortus.http.pages.kits.overview.pages import OverviewPages
from hortus.http.pages.kits.pictures.deleting import DeletingPages
from hortus.http.pages.kits.pictures.gallery import GalleryPages
from hortus.http.pages.kits.pictures.lapse import LapsePages
from hortus.http.pages.kits.pictures.taking import TakingPages
from hortus.http.pages.kits.public.link_pages import PublicLinkPages
from hortus.http.pages.kits.public.page import PublicKitPages
from hortus.http.pages.kits.set_aside import SetAsidePages
from hortus.http.pages.kits.settings import SettingsPages
from hortus.http.pages.login import LoginPages
from hortus.http.pages.map.pages import MapPages
from hortus.http.pages.password_reset import ForgottenPasswordPages, PasswordResetPages
from hortus.http.pages.pictures import PicturePages
from hortus.http.pages.plants.edit_pages import PlantEditPages
from hortus.http.pages.plants.link_pages import PlantLinkPages
from hortus.http.pages.plants.list_pages import PlantListPages
from hortus.http.pages.plants.plant_page import PlantPages
from hortus.http.pages.plants.range_pages import PlantRangePages
from hortus.http.pages.plants.rule_pages import PlantRulePages
from hortus.http.pages.search import SearchPages
from hortus.http.pages.setup import SetUpPages
from hortus.http.pages.site import Site
from hortus.http.pages.species.pages import SpeciesPages


class PageGroup(Protocol):
    """Some pages that belong together."""

    def __init__(self, site: Site) -> None: ...

    def routes(self) -> list[Route]:
        """Return the routes. HEAD is answered wherever GET is."""


# Where two routes match an address, the first one wins: `/kits/new` stands before `/kits/{serial}`.
PAGE_GROUPS: Sequence[type[PageGroup]] = (
    AddKitPages,
    ManyKitsPages,
    ConnectKitPages,
    ConnectionPages,
    SettingsPages,
    PublicLinkPages,
    PublicKitPages,
    SearchPages,
    ChartPages,
    ExplorerPages,
    MarkPages,
    ConfigurationListPages,
    ConfigurationPages,
    ActivationPages,
    DevicePages,
    NewDevicePages,
    RulesPages,
    RulePartPages,
    CommandPages,
    GalleryPages,
    LapsePages,
    TakingPages,
    DeletingPages,
    DataCheckPages,
    SetAsidePages,
    ExportPages,
    HomePages,
    AlertPages,
    PlantListPages,
    PlantEditPages,
    PlantRangePages,
    PlantLinkPages,
    PlantRulePages,
    PlantPages,
    SpeciesPages,
    PicturePages,
    LoginPages,
    ForgottenPasswordPages,
    PasswordResetPages,
    SetUpPages,
    SignUpPages,
    InvitationPages,
    AccountPages,
    SessionPages,
    KeyPages,
    NotificationPages,
    NewServicePages,
    KitInvitationPages,
    MemberPages,
    AccessWatchPages,
    MapPages,
    Installable,
    AdminOverview,
    AdminDefinitions,
    AdminDevices,
    AdminPeople,
    AdminSetAside,
    AdminStorage,
    ComponentsPage,
    ChangePages,
    OverviewPages,
)


def page_routes(site: Site) -> list[Route]:
    """Return the routes of all pages."""
    return [route for group in PAGE_GROUPS for route in group(site).routes()]
