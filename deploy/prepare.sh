#!/bin/sh
# Make what an installation needs once, below FOLDER: for each login a password and the address of the
# database, for each role its folder of key files. Run again, it keeps what is there and hands out key
# files that are new, such as those of another master key.
#
#   prepare.sh FOLDER
#
# FOLDER/keys holds all keys together: take it off this machine when you are done.
#
# BOTKEYS    the command that makes keys; by default the image BOTKEYS_IMAGE without a network
# DATABASE   what follows login and password in the addresses: @/botkeys?host=/var/run/postgresql
# KEYS_UID   the user of the processes, who owns the key files if root runs this: 10001
# POSTGRES_UID   the user of a PostgreSQL container, which then gets passwords of its own
set -eu
umask 077

folder=${1:?usage: prepare.sh FOLDER}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
DATABASE=${DATABASE:-@/botkeys?host=/var/run/postgresql}
KEYS_UID=${KEYS_UID:-10001}

make_key() {
    if [ -n "${BOTKEYS:-}" ]; then
        $BOTKEYS master-key create --dir "$folder/keys"
    else
        docker run --rm --network none --read-only --cap-drop ALL --user "$(id -u):$(id -g)" \
            -v "$folder/keys:$folder/keys" "${BOTKEYS_IMAGE:?names the image, or BOTKEYS the command}" \
            master-key create --dir "$folder/keys"
    fi
}

password() { # a file that gets 32 random bytes in hexadecimal, unless it exists
    [ -s "$1" ] || od -An -N32 -tx1 /dev/urandom | tr -d ' \n' > "$1"
}

login() { # the folder, and the login that it is of
    mkdir -p "$folder/$1"
    password "$folder/$1/password"
    printf '%s\n' "postgresql://$2:$(cat "$folder/$1/password")$DATABASE" > "$folder/$1/database-url"
}

hand_out() { # the role, and the files that it holds
    role=$1
    shift
    mkdir -p "$folder/$role/keys"
    for pattern in "$@"; do
        for file in "$folder/keys/"$pattern; do
            name=$(basename "$file")
            [ ! -e "$file" ] || [ -e "$folder/$role/keys/$name" ] || cp "$file" "$folder/$role/keys/"
        done
    done
}

login owner botkeys_owner
for role in api runtime catalogue purge webhooks; do
    login "$role" "${role}_login"
done

mkdir -p "$folder/keys"
# Other keys than those which are in use would open nothing: once handed out, they are not made again.
[ -e "$folder/keys/audit-hmac" ] || [ -e "$folder/api/keys/audit-hmac" ] || make_key
hand_out api 'master-*.public' fingerprint-hmac audit-hmac webhook-key
hand_out runtime 'master-*.private' token-hmac audit-hmac
hand_out webhooks webhook-key

if [ -n "${POSTGRES_UID:-}" ]; then
    mkdir -p "$folder/postgres"
    password "$folder/postgres/password"
    cp "$folder/owner/password" "$folder/postgres/owner-password"
fi

if [ "$(id -u)" = 0 ]; then
    chmod 0711 "$folder"
    for role in owner api runtime catalogue purge webhooks; do
        # What has been handed to a user of its own stays with it.
        find "$folder/$role" -user 0 -exec chown "$KEYS_UID:$KEYS_UID" {} +
    done
    [ -z "${POSTGRES_UID:-}" ] || chown -R "$POSTGRES_UID:$POSTGRES_UID" "$folder/postgres"
fi
echo "Everything is in $folder. Keep $folder/keys elsewhere: with the database it opens everything."
