#!/bin/sh
# Install the programs that some tests run for real: bcftools, tabix, nginx, an OpenSSH server
# and a browser.
#
# Only what is missing, only from Debian's packages, and only when that needs no question: apt-get
# exists and we are root or have sudo without a password. Everywhere else it says what is skipped.
# It always succeeds: a test that lacks its program skips itself. ENSEMBL_ANNOTATIONS_NO_INSTALL=1
# installs nothing.
set -eu

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
LOG=''
POLICY=/usr/sbin/policy-rc.d

# program, Debian package, what needs it
needs() {
    cat <<'EOF'
bcftools bcftools tests that compare our output with bcftools
tabix tabix tests that query our indexes with tabix
nginx nginx-light tests of downloads from a web server and of HTTP remotes
sshd openssh-server tests of SFTP remotes
chromium chromium tests that open the pages in a browser
/usr/lib/nginx/modules/ngx_http_dav_ext_module.so libnginx-mod-http-dav-ext tests of WebDAV remotes
EOF
}

list_missing() {
    needs | while read -r program package purpose; do
        command -v "$program" >/dev/null 2>&1 || [ -f "$program" ] || echo "$program $package $purpose"
    done
}

say_skipped() {
    echo "$1 These will be skipped:"
    list_missing | while read -r program package purpose; do
        echo "  - $purpose ($program, Debian package $package)"
    done
    exit 0
}

missing=$(list_missing)
[ -n "$missing" ] || exit 0
packages=$(echo "$missing" | cut -d' ' -f2 | tr '\n' ' ')
packages=${packages% }

[ -z "${ENSEMBL_ANNOTATIONS_NO_INSTALL:-}" ] ||
    say_skipped "Installing tools is switched off (ENSEMBL_ANNOTATIONS_NO_INSTALL)."
command -v apt-get >/dev/null 2>&1 ||
    say_skipped "No apt-get here: some programs that tests use are missing."
if [ "$(id -u)" = 0 ]; then
    as_root=''
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root='sudo -n'
else
    say_skipped "Neither root nor sudo without a password: to run all tests, install $packages."  # pragma: allowlist secret
fi

# The tests start their own servers on private ports. Debian's packages would also start one each
# for the whole machine, now and at every boot: that is neither needed nor wanted here.
made_policy=''
cleanup() {
    [ -z "$made_policy" ] || $as_root rm -f "$POLICY"
    [ -z "$LOG" ] || rm -f "$LOG"
}
trap cleanup EXIT
trap 'exit 130' HUP INT TERM

LOG=$(mktemp)
if [ ! -e "$POLICY" ]; then
    made_policy=yes
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$POLICY" >/dev/null
    $as_root chmod 755 "$POLICY"
fi

echo "Installing from Debian for the tests: $packages"
apt="$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120"
# An outdated mirror list need not be fatal: the install decides.
$apt update >"$LOG" 2>&1 || true
# shellcheck disable=SC2086  # word splitting is meant: a list of packages
if ! $apt install -y --no-install-recommends $packages >>"$LOG" 2>&1; then
    tail -n 5 "$LOG" >&2
    say_skipped "apt-get could not install everything."
fi

if command -v systemctl >/dev/null 2>&1; then
    case " $packages" in *" nginx-light "*) $as_root systemctl disable nginx >/dev/null 2>&1 || true ;; esac
    case " $packages" in *" openssh-server "*) $as_root systemctl disable ssh >/dev/null 2>&1 || true ;; esac
fi

[ -z "$(list_missing)" ] || say_skipped "Some programs are still missing."
