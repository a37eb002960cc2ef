"""What a site says, as crmhost reads it over HTTPS."""

from __future__ import annotations

import pytest

from tests.support.sftphost import SftpHost

pytestmark = pytest.mark.slow


def test_an_empty_page_that_sends_one_elsewhere_says_where(sftp_host: SftpHost) -> None:
    """So that an error about a candidate says that it wants to be installed, for example."""
    sftp_host.run("echo '<?php header(\"Location: /install/\");' >/srv/acme/site/public/go.php")
    assert str(sftp_host.site.get("/go.php")) == "302 /install/"
