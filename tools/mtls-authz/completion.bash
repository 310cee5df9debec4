# Completion of mtls-authz for bash.
_mtls_authz() {
    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} options
    if [ "$COMP_CWORD" = 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "init suggest facts check explain why matrix diff fetch push pull fleet import help --version --help" -- "$word")
        return
    fi
    if [ "$command" = help ]; then
        mapfile -t COMPREPLY < <(compgen -W "init suggest facts check explain why matrix diff fetch push pull fleet import" -- "$word")
        return
    fi
    case $command in
        init) options="--root --path --cert --anchor --name --json --help" ;;
        suggest) options="--name --anchor --root --json --help" ;;
        facts) options="--json --help" ;;
        check) options="--root --strict --warn-days --live --socket --json --help" ;;
        explain) options="--policy --cert --intermediates --server-ca --revocations --crl --security-level --root --method --path --from --at --live --socket --host --json --log-line --help" ;;
        why) options="--log --policy --root --live --socket --json --help" ;;
        matrix) options="--policy --root --live --socket --csv --html --json --help" ;;
        diff) options="--root --certs --live --socket --json --help" ;;
        fetch) options="--policy --into --root --crl --ocsp --bundle --cert --seen --server-ca --allow-network --proxy --web-ca --timeout --max-time --max-size --dry-run --json --help" ;;
        push) options="--database --kind --base --beside --root --dry-run --json --help" ;;
        pull) options="--database --json --help" ;;
        fleet) options="--database --max-age --json --help" ;;
        import) options="--anchor --cert --root --json --help" ;;
    esac
    if [ "$command" = import ] && [ "$COMP_CWORD" = 2 ]; then
        mapfile -t COMPREPLY < <(compgen -W "nginx-map passwd csv sslrequire --help" -- "$word")
        return
    fi
    case $word in
        -*) mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word") ;;
        *) compopt -o default; COMPREPLY=() ;;
    esac
}
complete -F _mtls_authz mtls-authz
