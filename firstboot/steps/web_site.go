package steps

import (
	"fmt"
	"regexp"
)

// healthURL is what a balancer asks: it answers 200 with HealthFile, read from the
// volume, or something else.
const healthURL = "/health"

// siteWith is the configuration of the site. What it decides:
//
// Links are not followed. A link in the volume could lead to any file of the node,
// and SymLinksIfOwnerMatch would not keep it from those of www-data, such as
// /proc/self/environ.
//
// Whatever the packaged configuration opens besides (/usr/share, the folder of icons,
// a page of status for who asks from this machine) is closed, and its names are the
// volume's.
//
// The two conditions are looked at for every request, by www-data, to whom the folder
// of RebuildPath is open. A stat of the health file fails as soon as the volume cannot
// be used.
func (w server) siteWith(sum string) string {
	copied := ""
	if w.whole != "" {
		copied = fmt.Sprintf("RewriteCond %s/%s !-f [OR]\n\t", w.point, w.whole)
	}
	return fmt.Sprintf(`%[1]s
ServerName %[2]s
<VirtualHost *:%[3]d>
	ServerName %[2]s
	DocumentRoot %[4]s
	ErrorLog ${APACHE_LOG_DIR}/error.log
	SetEnvIf Request_URI "^%[5]s$" berry-health
	CustomLog ${APACHE_LOG_DIR}/access.log combined env=!berry-health

	# Files of a network filesystem can change and vanish while they are sent.
	EnableSendfile Off
	EnableMMAP Off

	<Directory %[4]s>
		Options None
		AllowOverride None
		Require all granted
	</Directory>
	<DirectoryMatch "^(?!%[6]s(/|$))">
		Require all denied
	</DirectoryMatch>
	<Directory %[4]s/%[7]s>
		Require all denied
		<Files health>
			Require all granted
		</Files>
	</Directory>
	<IfModule mod_alias.c>
		Alias /icons/ %[4]s/icons/
	</IfModule>
	<Location /server-status>
		SetHandler none
		Require all granted
	</Location>

	RewriteEngine On
	%[12]sRewriteCond %[4]s/%[8]s !-f [OR]
	RewriteCond %[9]s -f
	RewriteRule ^ - [R=503,L]
	RewriteRule ^%[5]s$ %[4]s/%[8]s [L]
	Header always set Retry-After 10 "expr=%%{REQUEST_STATUS} == 503"
	<Location %[5]s>
		Header always set %[10]s "%[11]s"
	</Location>
</VirtualHost>
`, oursMark, w.name, w.port, w.point, healthURL, regexp.QuoteMeta(w.point), healthDir, HealthFile, RebuildPath, sumHeader, sum, copied)
}
