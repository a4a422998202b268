# What the commands of a page run in: read as its first line. They stop at the first command that fails.
set -euE -o pipefail
shopt -s inherit_errexit

# All of the page's processes are one group. It ends with the page, and when the runner, which holds our input, ends.
exec 8>&1 9<&0 </dev/null
( trap '' TERM; read -r _ <&9 || :; kill -TERM -- "-$$" ) &
exec 9<&-

# Says where a command failed, its line and then the lines that called it, and ends.
page_failed() {
    local status=$1 at
    echo "--- a command ended with status $status:" >&8
    for ((at = 1; at < ${#BASH_SOURCE[@]}; at++)); do
        case ${BASH_SOURCE[at]} in *.md.sh) echo "    $(basename "${BASH_SOURCE[at]}" .sh):${BASH_LINENO[at - 1]}" >&8 ;; esac
    done
    exit "$status"
}
trap 'page_failed $?' ERR

# Writes its input to the file, in a folder of the page.
page_file() {
    mkdir -p "$(dirname "./$1")"
    cat >"./$1"
}

# The processes that run in the background, by the file that has their output.
declare -A page_processes

# Waits until the URL is answered with any status but 404 and 503; fails when the process that was just started has ended.
page_until() {
    local process=$! url=$1 output=$2 status tries
    page_processes[$output]=$process
    for ((tries = 0; tries < 600; tries++)); do
        status=$(curl --silent --insecure --output /dev/null --max-time 5 --write-out '%{http_code}' "$url" || :)
        case $status in 000 | 404 | 503 | '') ;; *) return 0 ;; esac
        kill -0 "$process" 2>/dev/null || break
        sleep 0.1
    done
    echo "--- $url is not answered (the last status was $status). $output:"
    tail -n 40 "$output"
    return 1
}

# Ends the process whose output is in the file, as `systemctl stop` does, and waits until it has ended.
page_stop() {
    local process=${page_processes[$1]} children
    # A block is a shell, which has the program as its child.
    children=$(ps -o pid= --ppid "$process" || :)
    # shellcheck disable=SC2086
    kill -TERM ${children:-$process}
    wait "$process"
}
