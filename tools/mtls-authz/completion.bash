# Completion of mtls-authz for bash.
_mtls_authz() {
    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} options
    if [ "$COMP_CWORD" = 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "suggest facts check explain matrix diff --help" -- "$word")
        return
    fi
    case $command in
        suggest) options="--name --anchor --root --help" ;;
        facts) options="--help" ;;
        check) options="--root --strict --json --help" ;;
        explain) options="--policy --cert --intermediates --server-ca --root --method --path --at --json --log-line --help" ;;
        matrix) options="--policy --root --csv --html --help" ;;
        diff) options="--root --certs --help" ;;
    esac
    case $word in
        -*) mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word") ;;
        *) compopt -o default; COMPREPLY=() ;;
    esac
}
complete -F _mtls_authz mtls-authz
