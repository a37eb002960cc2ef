nothing that a web server should show
